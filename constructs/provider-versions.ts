/**
 * The bindings describe AWS provider 6.x and ask for it. Only what 5.100 has as well is used, so that both serve.
 */
export const AWS_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0";

import { Command } from "commander";
import { checkEnvironments, credentialsStatements, deployerStatements, refuseErrors } from "./constructs";
import { environments } from "./environments";

/** Prints the IAM policy of whoever deploys an environment. */
new Command("deployer-policy")
  .description("the IAM policy of whoever deploys an environment, as JSON")
  .argument("<environment>", "its name in environments.ts")
  .option("--account <id>", "AWS account; by default the environment's `accountId`")
  .option("--credentials", "what the credentials need that assume the role to deploy with", false)
  .action((name: string, { account, credentials }: { account?: string; credentials: boolean }, command) => {
    const environment = environments.find((candidate) => candidate.name === name);
    if (environment === undefined) {
      const known = environments.map((each) => each.name).join(", ");
      return command.error(`environments.ts has no environment "${name}"; it has: ${known}`);
    }
    refuseErrors(checkEnvironments([environment]));
    const accountId = account ?? environment.accountId;
    if (accountId === undefined || !/^\d{12}$/.test(accountId)) {
      return command.error(
        `the account must be 12 digits, got: ${accountId ?? "none"}; give --account, or \`accountId\` in environments.ts`,
      );
    }
    const statements = credentials
      ? credentialsStatements(environment)
      : deployerStatements(environment, accountId);
    console.log(JSON.stringify({ Version: "2012-10-17", Statement: statements }, null, 2));
  })
  .parse();

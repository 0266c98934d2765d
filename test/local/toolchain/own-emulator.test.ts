import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { findOwnEmulator } from "../../../local/toolchain/own-emulator";
import { PrerequisiteError } from "../../../local/toolchain/prerequisite-error";

const SECRETS_MANAGER = { AWS_ENDPOINT_URL_SECRETS_MANAGER: "http://127.0.0.1:7001" };

it("isn't there without AWS_ENDPOINT_URL", async () => {
  expect(await findOwnEmulator(SECRETS_MANAGER)).toBeUndefined();
});

it("fixes the port of the local Secrets Manager", async () => {
  const emulator = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => emulator.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(emulator.address() as AddressInfo).port}`;

  const found = await findOwnEmulator({ AWS_ENDPOINT_URL: `${url}/`, ...SECRETS_MANAGER });

  emulator.close();
  emulator.closeAllConnections();
  expect(found).toEqual({ url, secretsManagerPort: 7001 });
});

it.each([
  [
    "could be AWS",
    { AWS_ENDPOINT_URL: "https://lambda.eu-west-1.amazonaws.com" },
    "AWS_ENDPOINT_URL must name an address on loopback, got: https://lambda.eu-west-1.amazonaws.com",
  ],
  ["is no URL", { AWS_ENDPOINT_URL: "4566" }, "AWS_ENDPOINT_URL must name an address on loopback, got: 4566"],
  ["leaves Secrets Manager open", { AWS_ENDPOINT_URL: "http://localhost:4566" }, "is set, but not"],
  [
    "has its functions read secrets elsewhere",
    { AWS_ENDPOINT_URL: "http://localhost:4566", AWS_ENDPOINT_URL_SECRETS_MANAGER: "https://10.0.0.1" },
    "AWS_ENDPOINT_URL_SECRETS_MANAGER must name an address on loopback, got: https://10.0.0.1",
  ],
  [
    "doesn't answer",
    { AWS_ENDPOINT_URL: "http://127.0.0.1:9", ...SECRETS_MANAGER },
    "AWS_ENDPOINT_URL names http://127.0.0.1:9, where nothing answers. Fix: start that emulator",
  ],
])("is refused where it %s", async (_, env, message) => {
  const refusal = await findOwnEmulator(env).catch((error) => error);

  expect(refusal).toBeInstanceOf(PrerequisiteError);
  expect(refusal.message).toContain(message);
  expect(refusal.message).toContain(" Fix: ");
});

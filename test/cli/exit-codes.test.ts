import { readFileSync } from "node:fs";
import path from "node:path";
import { EXIT_CODES, exitOf } from "../../cli/command-error";
import { SECRET_TAGS } from "../../core/contract";
import { ControlPlaneError } from "../../core/control-plane/errors";
import { VersionConflictError } from "../../core/secrets/secret-store";
import { SettingsError } from "../../core/settings/function-settings";
import { DAY_MS } from "../../core/time";
import { OperatorWorld } from "./operator-world";

const ADOPT = "adopt --secret valmi/dev/support/agent-key --api-key-secret valmi/dev/control-plane-api-key";
const SET = "operator-key set --secret valmi/dev/control-plane-api-key";

test("the page of operations, and the help, say what every exit code means", async () => {
  const page = readFileSync(path.join(__dirname, "../../docs/operations.md"), "utf8");
  const rows = [...page.matchAll(/^\| (\d) \| (.+) \|$/gm)].map(([, code, says]) => [Number(code), says]);
  expect(rows).toEqual(Object.values(EXIT_CODES).map(({ code, says }) => [code, says]));

  const { out } = await OperatorWorld.empty().run("--help");
  for (const { code, says } of Object.values(EXIT_CODES))
    expect(`${out}\n`).toContain(`\n  ${code}  ${says}\n`);
});

test.each<[string, unknown, string]>([
  ["the Control Plane", new ControlPlaneError("unauthorized", "GET /auth/me: 401", "no"), "failed"],
  ["a setting that a person gave", new SettingsError("--control-plane: must be an https URL"), "usage"],
  ["a version that holds another key", new VersionConflictError("version 1 exists"), "refused"],
  ["AWS", Object.assign(new Error("denied"), { name: "AccessDeniedException" }), "failed"],
  ["what is no error", "text", "failed"],
])("an error of %s ends as it should", (_, error, exit) => {
  expect(exitOf(error)).toBe(exit);
});

/** A secret that waits for the present key of an instance that is adopted. */
async function waitingForKey(): Promise<OperatorWorld> {
  const desk = OperatorWorld.empty();
  const { id } = desk.world.foreignInstance("theirs");
  tag(desk, SECRET_TAGS.adoptedInstanceId, id);
  return desk;
}

const tag = ({ world }: OperatorWorld, Key: string, Value: string) =>
  world.secretsManager.call("TagResource", { SecretId: world.secretArn, Tags: [{ Key, Value }] });

const ready = () => OperatorWorld.ready();
const adopted = async () => {
  const desk = await ready();
  tag(desk, SECRET_TAGS.adoptedInstanceId, desk.world.instance.id);
  return desk;
};

describe.each<[keyof typeof EXIT_CODES, [string, () => Promise<OperatorWorld>, string, string][]]>([
  [
    "usage",
    [
      ["no command", ready, "", ""],
      ["an unknown command", ready, "rotat", ""],
      ["an unknown option", ready, "status --all", ""],
      ["no instance of the name", ready, "show dev/other", ""],
      ["no such environment", ready, "status --environment prod", ""],
      ["a key in the place of its fingerprint", ready, "revoke dev/support --key agent_abc123xyz", ""],
      ["an operator's key that is none", ready, SET, "two words"],
      ["the same, to take the place of another", ready, "operator-key rotate --environment dev", "two words"],
      ["a URL in clear text", ready, `${SET} --control-plane http://value.valmi.io`, "token_operator123"],
      ["an agent key that is none", waitingForKey, ADOPT, "two words"],
      ["no secret of the name", waitingForKey, ADOPT.replace("support", "other"), "agent_abc123xyz"],
      ["a secret that waits for no key", ready, ADOPT, "agent_abc123xyz"],
      ["a value in --env", ready, "exec --secret a --env A=1 true", ""],
      ["a queue that is no URL", ready, "exec --secret a --events new-keys true", ""],
      ["two ways to bring a key", ready, "exec --secret a --hook true --overlap 1 true", ""],
    ],
  ],
  [
    "refused",
    [
      ["nobody agrees", ready, "revoke dev/support", ""],
      ["nothing under AWSPREVIOUS", ready, "rollback dev/support", ""],
      ["an operator's key that the Control Plane refuses", ready, SET, "token_unknown123"],
      [
        "the same, to take the place of another",
        ready,
        "operator-key rotate --environment dev",
        "token_unknown123",
      ],
      ["the present operator's key", ready, "operator-key rotate --environment dev", "token_operator123"],
      ["an agent key that the Control Plane refuses", waitingForKey, ADOPT, "agent_unknown123"],
      ["a secret that holds a key, and rotates", adopted, ADOPT, "agent_unknown123"],
    ],
  ],
  [
    "failed",
    [
      [
        "the stored operator's key is refused",
        async () => {
          const desk = await ready();
          desk.world.setOperatorKey("token_unknown123");
          return desk;
        },
        "rotate dev/support",
        "",
      ],
      [
        "the environment has no function",
        async () => {
          const desk = await ready();
          desk.hasFunction = false;
          return desk;
        },
        "rotate dev/support",
        "",
      ],
    ],
  ],
  [
    "findings",
    [
      [
        "a key that is refused",
        async () => {
          const desk = await ready();
          desk.world.clickRotate();
          desk.world.clock.advanceBy(DAY_MS);
          return desk;
        },
        "verify",
        "",
      ],
    ],
  ],
])("%s:", (exit, cases) => {
  test.each(cases)("%s", async (_, arrange, line, input) => {
    const desk = await arrange();
    const minted = desk.world.minted.length;
    const { code, err } = await desk.run(line, input);
    expect({ code, err }).toEqual({ code: EXIT_CODES[exit].code, err: expect.any(String) });
    if (exit !== "findings") expect(err).not.toBe("");
    expect(desk.world.minted).toHaveLength(minted);
  });
});

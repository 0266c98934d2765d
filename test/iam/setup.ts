import { recordAllClients } from "./record";

// The functions' entry points, as Lambda calls them; what is below them makes its calls in their name.
jest.mock("../../core/rotation/steps", () =>
  jest.requireActual("./record").calledAs("rotation", jest.requireActual("../../core/rotation/steps")),
);
jest.mock("../../core/provisioning/convergence", () =>
  jest
    .requireActual("./record")
    .calledAs("provisioning", jest.requireActual("../../core/provisioning/convergence")),
);
jest.mock("../../core/provisioning/removal", () =>
  jest
    .requireActual("./record")
    .calledAs("provisioning", jest.requireActual("../../core/provisioning/removal")),
);

jest.mock("../../core/rotation/self-test", () =>
  jest.requireActual("./record").calledAs("rotation", jest.requireActual("../../core/rotation/self-test")),
);
jest.mock("../../core/audit/audit", () =>
  jest.requireActual("./record").calledAs("audit", jest.requireActual("../../core/audit/audit")),
);

jest.mock("../../core/audit/ports", () => {
  const { madeFor, noting } = jest.requireActual("./record");
  const actual = jest.requireActual("../../core/audit/ports");
  const made =
    (factory: string) =>
    (client: object, ...args: unknown[]) =>
      madeFor("audit", actual[factory](noting(client), ...args));
  return {
    ...actual,
    lambdaRotationFunction: made("lambdaRotationFunction"),
    snsAlerts: made("snsAlerts"),
  };
});

// The command line.
jest.mock("../../cli/program", () =>
  jest.requireActual("./record").calledAs("operator", jest.requireActual("../../cli/program")),
);

for (const command of ["adopt", "operator-key"]) {
  jest.doMock(`../../cli/commands/${command}`, () =>
    jest.requireActual("./record").calledAs("operator", jest.requireActual(`../../cli/commands/${command}`)),
  );
}

// What an agent reads its key by.
jest.mock("../../agent/secret-reader", () => {
  const { as } = jest.requireActual("./record");
  const actual = jest.requireActual("../../agent/secret-reader");
  return {
    ...actual,
    secretReader: (...args: unknown[]) => {
      const read = actual.secretReader(...args);
      return (label: string) => as("reader", () => read(label));
    },
  };
});

// The simulation and the explorer have clients of their own.
jest.mock("../../proofs/explorer/in-memory-aws", () => {
  const { note } = jest.requireActual("./record");
  const actual = jest.requireActual("../../proofs/explorer/in-memory-aws");
  type Send = (operation: string, input: Record<string, unknown>) => Promise<object>;
  const noting = (service: string, send: Send): Send => {
    return (operation, input) => {
      note(service, operation, input);
      return send(operation, input);
    };
  };
  return {
    ...actual,
    secretsManagerClient: (send: Send) => actual.secretsManagerClient(noting("Secrets Manager", send)),
    dynamoDbClient: (send: Send) => actual.dynamoDbClient(noting("DynamoDB", send)),
  };
});

recordAllClients();

import { recordAllClients } from "./record";

// The functions' entry points, as Lambda calls them; what is below them makes its calls in their name.
jest.mock("../../lambda/rotation/steps", () =>
  jest.requireActual("./record").calledAs("rotation", jest.requireActual("../../lambda/rotation/steps")),
);
jest.mock("../../lambda/provisioning/lifecycle", () =>
  jest
    .requireActual("./record")
    .calledAs("provisioning", jest.requireActual("../../lambda/provisioning/lifecycle")),
);

jest.mock("../../lambda/rotation/self-test", () =>
  jest.requireActual("./record").calledAs("rotation", jest.requireActual("../../lambda/rotation/self-test")),
);
jest.mock("../../lambda/audit/audit", () =>
  jest.requireActual("./record").calledAs("audit", jest.requireActual("../../lambda/audit/audit")),
);

jest.mock("../../lambda/audit/ports", () => {
  const { madeFor, noting } = jest.requireActual("./record");
  const actual = jest.requireActual("../../lambda/audit/ports");
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
  jest.doMock(`../../cli/${command}`, () =>
    jest.requireActual("./record").calledAs("operator", jest.requireActual(`../../cli/${command}`)),
  );
}

// What an agent reads its key by.
jest.mock("../../consumer/secret-reader", () => {
  const { as } = jest.requireActual("./record");
  const actual = jest.requireActual("../../consumer/secret-reader");
  return {
    ...actual,
    secretReader: (...args: unknown[]) => {
      const read = actual.secretReader(...args);
      return (label: string) => as("reader", () => read(label));
    },
  };
});

// The simulation and the explorer have clients of their own.
jest.mock("../model/in-memory-aws", () => {
  const { note } = jest.requireActual("./record");
  const actual = jest.requireActual("../model/in-memory-aws");
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

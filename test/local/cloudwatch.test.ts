import { type LocalCloudwatch, parseQuery, startCloudwatch } from "../../local/cloudwatch";

let service: LocalCloudwatch;
beforeAll(async () => {
  service = await startCloudwatch({ region: "eu-west-1", accountId: "000000000000" });
});
afterAll(() => service.close());

const ARN = "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:errors";

async function call(parameters: Record<string, string>): Promise<{ status: number; text: string }> {
  const response = await fetch(service.url, { method: "POST", body: new URLSearchParams(parameters) });
  return { status: response.status, text: await response.text() };
}

test("parameters are nested by their dots, and lists keep their order", () => {
  const query = new URLSearchParams({
    "Metrics.member.2.Id": "b",
    "Metrics.member.1.Id": "a",
    "Metrics.member.1.MetricStat.Metric.Dimensions.member.1.Name": "FunctionName",
    "AlarmActions.member.1": "x",
  });

  expect(parseQuery(query.toString())).toEqual({
    Metrics: [{ Id: "a", MetricStat: { Metric: { Dimensions: [{ Name: "FunctionName" }] } } }, { Id: "b" }],
    AlarmActions: ["x"],
  });
});

test("an alarm is described as it was put, with tags, until it is deleted", async () => {
  const put = {
    Action: "PutMetricAlarm",
    AlarmName: "errors",
    AlarmDescription: "a < b & c",
    "AlarmActions.member.1": "arn:topic",
    "Metrics.member.1.Id": "errors",
    "Metrics.member.1.Expression": "SUM([a, b])",
    TreatMissingData: "notBreaching",
    "Tags.member.1.Key": "team",
    "Tags.member.1.Value": "agents",
  };
  expect((await call(put)).status).toBe(200);

  const { text } = await call({ Action: "DescribeAlarms", "AlarmNames.member.1": "errors" });
  expect(text).toContain("<TreatMissingData>notBreaching</TreatMissingData>");
  expect(text).toContain("<AlarmActions><member>arn:topic</member></AlarmActions>");
  expect(text).toContain(
    "<Metrics><member><Id>errors</Id><Expression>SUM([a, b])</Expression></member></Metrics>",
  );
  expect(text).toContain("<AlarmDescription>a &#60; b &#38; c</AlarmDescription>");
  expect(text).toContain(`<AlarmArn>${ARN}</AlarmArn>`);
  expect(service.alarms()).toHaveLength(1);

  await call({
    Action: "TagResource",
    ResourceARN: ARN,
    "Tags.member.1.Key": "a",
    "Tags.member.1.Value": "b",
  });
  await call({ Action: "UntagResource", ResourceARN: ARN, "TagKeys.member.1": "team" });
  const tags = await call({ Action: "ListTagsForResource", ResourceARN: ARN });
  expect(tags.text).toContain("<Tags><member><Key>a</Key><Value>b</Value></member></Tags>");

  await call({ Action: "DeleteAlarms", "AlarmNames.member.1": "errors" });
  expect((await call({ Action: "DescribeAlarms", "AlarmNames.member.1": "errors" })).text).toContain(
    "<MetricAlarms></MetricAlarms>",
  );
});

test("a dashboard is given back as it was put, until it is deleted", async () => {
  const DashboardBody = JSON.stringify({ widgets: [{ type: "text", properties: { markdown: "a < b" } }] });
  const put = await call({ Action: "PutDashboard", DashboardName: "agents", DashboardBody });
  expect([put.status, put.text]).toEqual([
    200,
    expect.stringContaining("<DashboardValidationMessages></DashboardValidationMessages>"),
  ]);
  const { text } = await call({ Action: "GetDashboard", DashboardName: "agents" });
  expect(text).toContain("<DashboardName>agents</DashboardName>");
  expect(text).toContain("<DashboardArn>arn:aws:cloudwatch::000000000000:dashboard/agents</DashboardArn>");
  expect(text).toContain(`<DashboardBody>${DashboardBody.replace("<", "&#60;")}</DashboardBody>`);

  expect((await call({ Action: "DeleteDashboards", "DashboardNames.member.1": "agents" })).status).toBe(200);
  const gone = await call({ Action: "GetDashboard", DashboardName: "agents" });
  expect([gone.status, gone.text]).toEqual([404, expect.stringContaining("<Code>ResourceNotFound</Code>")]);
});

test("whatever is not imitated is refused by its name", async () => {
  const { status, text } = await call({ Action: "GetMetricData" });

  expect(status).toBe(400);
  expect(text).toContain("GetMetricData is not imitated");
});

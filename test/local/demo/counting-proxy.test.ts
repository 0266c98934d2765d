import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startCountingProxy } from "../../../local/demo/counting-proxy";

it("passes requests and answers through as they are, and counts them by operation", async () => {
  const seen: string[] = [];
  const target = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${request.headers["x-amz-target"]} ${body}`);
      response
        .writeHead(400, { "x-amzn-requestid": "r1" })
        .end('{"__type":"ConditionalCheckFailedException"}');
    });
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const proxy = await startCountingProxy();
  try {
    proxy.forwardTo(`http://127.0.0.1:${(target.address() as AddressInfo).port}`);
    const put = { method: "POST", headers: { "x-amz-target": "DynamoDB_20120810.PutItem" }, body: "{}" };

    const answer = await fetch(`${proxy.url}/`, put);
    await fetch(`${proxy.url}/`, put);

    expect(answer.status).toBe(400);
    expect(answer.headers.get("x-amzn-requestid")).toBe("r1");
    expect(await answer.text()).toBe('{"__type":"ConditionalCheckFailedException"}');
    expect(seen[0]).toBe("POST / DynamoDB_20120810.PutItem {}");
    expect(proxy.calls).toEqual({ PutItem: 2 });
  } finally {
    await proxy.close();
    target.close();
    target.closeAllConnections();
  }
});

it("refuses requests that come before it knows where they go", async () => {
  const proxy = await startCountingProxy();

  expect((await fetch(proxy.url)).status).toBe(503);

  await proxy.close();
});

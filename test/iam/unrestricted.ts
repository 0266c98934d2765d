/**
 * Every action that is allowed on `*`, with the reason; a policy that allows another one fails the test. Of a resource's
 * own policy, `*` is that resource alone, and isn't meant here.
 */
const NETWORK =
  "Lambda checks for it on `*` when a function in a VPC is made, and its network interfaces have no name before they are there; denied to the function's code";

export const ALLOWED_ON_ANYTHING: Readonly<Record<string, string>> = {
  "cloudtrail:DescribeTrails":
    "AWS knows no resource for it: it lists. Says only whether events of failures can come",
  "secretsmanager:ListSecrets": "AWS knows no resource for it: it lists, without any value",
  "ec2:AssignPrivateIpAddresses": NETWORK,
  "ec2:CreateNetworkInterface": NETWORK,
  "ec2:DeleteNetworkInterface": NETWORK,
  "ec2:DescribeNetworkInterfaces": "AWS knows no resource for it: it lists",
  "ec2:DescribeSubnets": "AWS knows no resource for it: it lists",
  "ec2:UnassignPrivateIpAddresses": NETWORK,
};

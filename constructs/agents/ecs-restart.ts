import type { AwsLocation } from "../names";

/** The trust of the role that a state machine takes. */
export function trustInStateMachine({ partition, region, accountId }: AwsLocation, name: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "states.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnEquals: {
            "aws:SourceArn": `arn:${partition}:states:${region}:${accountId}:stateMachine:${name}`,
          },
        },
      },
    ],
  });
}

/** About 20 minutes in all: ECS throttles, and a service that is being made isn't there yet. */
const RETRY = [
  {
    ErrorEquals: ["States.ALL"],
    IntervalSeconds: 10,
    BackoffRate: 2,
    MaxDelaySeconds: 300,
    MaxAttempts: 8,
    JitterStrategy: "FULL",
  },
];
const LOOK_EVERY_SECONDS = 15;
const PRIMARY = "Deployments[Status='PRIMARY']";

/**
 * The state machine that forces a new deployment of the service that its input names, and waits until a deployment of that age or
 * a younger one is complete. One that is older than ours and primary again is what ECS has rolled back to.
 */
export function restartDefinition(partition: string, limitMinutes: number) {
  return {
    Comment: "Deploys an ECS service anew, for its new agent key",
    QueryLanguage: "JSONata",
    TimeoutSeconds: limitMinutes * 60,
    StartAt: "Deploy",
    States: {
      Deploy: deploy(partition),
      Wait: { Type: "Wait", Seconds: LOOK_EVERY_SECONDS, Next: "Look" },
      Look: look(partition),
      Judge: JUDGE,
      Deployed: { Type: "Succeed" },
      NotDeployed: {
        Type: "Fail",
        Error: "DeploymentFailed",
        Cause: "ECS gave the deployment up; tasks may still have the old agent key",
      },
    },
  };
}

const deploy = (partition: string) => ({
  Type: "Task",
  Resource: `arn:${partition}:states:::aws-sdk:ecs:updateService`,
  Arguments: {
    Cluster: "{% $states.input.cluster %}",
    Service: "{% $states.input.service %}",
    ForceNewDeployment: true,
  },
  Assign: {
    cluster: "{% $states.input.cluster %}",
    service: "{% $states.input.service %}",
    since: `{% $states.result.Service.${PRIMARY}.CreatedAt %}`,
  },
  Output: {},
  Retry: RETRY,
  Next: "Wait",
});

const look = (partition: string) => ({
  Type: "Task",
  Resource: `arn:${partition}:states:::aws-sdk:ecs:describeServices`,
  Arguments: { Cluster: "{% $cluster %}", Services: ["{% $service %}"] },
  Output: `{% $states.result.Services[0].${PRIMARY} %}`,
  Retry: RETRY,
  Next: "Judge",
});

const JUDGE = {
  Type: "Choice",
  Choices: [
    {
      Condition: "{% $states.input.RolloutState = 'FAILED' or $states.input.CreatedAt < $since %}",
      Next: "NotDeployed",
    },
    { Condition: "{% $states.input.RolloutState = 'COMPLETED' %}", Next: "Deployed" },
  ],
  Default: "Wait",
};

/** What a policy says of the use of a KMS key: through which service of AWS, and for which thing that is encrypted. */

export const through = (service: string, region: string) => ({
  "kms:ViaService": `${service}.${region}.amazonaws.com`,
});

/** @param secretArn of one secret, or a pattern */
export const forSecret = (secretArn: string) => ({ "kms:EncryptionContext:SecretARN": secretArn });

export const forTable = (tableName: string) => ({
  "kms:EncryptionContext:aws:dynamodb:tableName": tableName,
});

export const forTopic = (topicArn: string) => ({ "kms:EncryptionContext:aws:sns:topicArn": topicArn });

/**
 * What ACR does not do and says so in an answer of status 200: `IsSuccess` false, with a `Code` in capitals, such as
 * INSTANCE_NOT_EXIST, NAMESPACE_NOT_EXIST and REPO_NOT_EXIST (Alibaba's Terraform provider tells them apart so). Other
 * codes are inferred from their pattern.
 */
export class AcrRefusal extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** An Alibaba Cloud access key, temporary when it has a `securityToken`. */
export interface StsCredentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** Undefined for a permanent access key. */
  readonly securityToken: string | undefined;
  /** Undefined when it never ends, or when the source does not tell. */
  readonly expiration: Date | undefined;
}

/** Where the credentials of one identity come from; every call may answer different ones, none of them expired. */
export interface CredentialsSource {
  /** @throws AutosignError `credentials-missing`, `role-refused`, `kms-throttled`, `kms-unreachable` */
  credentials(): Promise<StsCredentials>;
  /** Drops `refused`, which a service would not take, so that the next caller gets new ones if there are any. */
  forget(refused: StsCredentials): void;
}

/** A user name and a password or token for one registry. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Where the credentials of one registry come from; undefined means anonymous. */
export interface RegistryLogin {
  /** @throws AutosignError `registry-login-refused`, `credentials-missing` */
  credentials(): Promise<RegistryCredentials | undefined>;
}

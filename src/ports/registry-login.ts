/** A user name and a password or token for one registry. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Where the credentials of one registry come from; undefined means anonymous. */
export interface RegistryLogin {
  /** @throws AutosignError `registry-login-refused`, `registry-throttled`, `registry-unreachable` */
  credentials(): Promise<RegistryCredentials | undefined>;
  /** Drops `refused`, which was not taken, so that the next caller gets new ones; absent where there are no others. */
  forget?(refused: RegistryCredentials): void;
}

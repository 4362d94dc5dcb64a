/** Every limit of the operators' pages. */
export interface DashboardLimits {
  /** A form: user name, password, token. In bytes. */
  readonly bodyBytesMax: number;
  /** Characters of a password, so that hashing the text itself costs nothing. */
  readonly passwordLengthMax: number;
  /** Wrong tries to log in that one address has in a minute before all its tries get 429. */
  readonly wrongLoginsPerMinuteMax: number;
  /** Addresses whose wrong tries are remembered; the one seen longest ago is forgotten first. */
  readonly loginAddressesMax: number;
  /** Tries to log in that wait while another one is checked; further ones get 429. */
  readonly loginsWaitingMax: number;
  readonly sessionLifetimeMs: number;
  readonly sessionsMax: number;
  /** However many people look, Redis is asked once in this time. */
  readonly overviewKeptMs: number;
  /** Dead letters that the page looks through, the newest first. */
  readonly deadLettersRead: number;
  /** Rows of dead letters on one page. */
  readonly deadLettersShown: number;
  /** Dead letters that one click sends again. */
  readonly retriedAtOnce: number;
  /** Newest finished jobs on the page. */
  readonly finishedShown: number;
  /** Characters of a text that came from Redis or a registry. */
  readonly textLengthMax: number;
  /** Jobs that a page of the queue view may ask for. */
  readonly boardJobsMax: number;
}

export const dashboardLimits: DashboardLimits = {
  // A name of 64 characters, a password of 512, a token of less than 200, percent-encoded.
  bodyBytesMax: 8 * 1024,
  passwordLengthMax: 512,
  // Enough for somebody who mistypes, too few for somebody who guesses.
  wrongLoginsPerMinuteMax: 10,
  // About 100 bytes each.
  loginAddressesMax: 10_000,
  // Each takes about a quarter of a second of one core and 32 MiB, so they are checked one after the other.
  loginsWaitingMax: 10,
  // A working day: whoever leaves the page open has it refreshed all the time, so idleness could not be told.
  sessionLifetimeMs: 10 * 3600 * 1000,
  // About 200 bytes each; more than a company has operators.
  sessionsMax: 1_000,
  // Just below the time after which an open page asks again.
  overviewKeptMs: 2_000,
  // Ten round trips to Redis.
  deadLettersRead: 1_000,
  // With the newest images still in reach below them.
  deadLettersShown: 10,
  // A few seconds of work, so that the browser gets its answer.
  retriedAtOnce: 1_000,
  finishedShown: 20,
  // Ours are far shorter; what a stranger wrote into Redis may have any length.
  textLengthMax: 1_000,
  // What the queue view offers is 100 at most.
  boardJobsMax: 100,
};

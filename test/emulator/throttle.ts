/** Whether one more call of an account is admitted at `nowMs`, when there may be `perSecond` of them in any second. */
export type Throttle = (accountId: string, perSecond: number, nowMs: number) => boolean;

/** Refused calls take no place. The calls' times must not go back. */
export function createThrottle(): Throttle {
  const admittedByAccount = new Map<string, number[]>();
  return (accountId, perSecond, nowMs) => {
    const admitted = (admittedByAccount.get(accountId) ?? []).filter((atMs) => nowMs - atMs < 1000);
    const admits = admitted.length < perSecond;
    admittedByAccount.set(accountId, admits ? [...admitted, nowMs] : admitted);
    return admits;
  };
}

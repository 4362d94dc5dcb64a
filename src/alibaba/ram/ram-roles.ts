/** The parts of the service that an identity of its own may be made for. */
export const ramRoles = ['receiver', 'worker', 'triggers', 'read-only'] as const;
export type RamRole = (typeof ramRoles)[number];

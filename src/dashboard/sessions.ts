import { randomBytes } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import type { OpsUser } from './users-file.ts';

/** Somebody who is logged in. */
export interface Session {
  /** 256 random bits, base64url; whoever has it is taken for this user. */
  readonly id: string;
  readonly userName: string;
  /** The hash that the password was checked with: with a new password the session is over. */
  readonly passwordHash: string;
  readonly endsAt: Date;
}

/** What the next page says of the last action. */
export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly text: string;
}

export interface Sessions {
  begin(user: OpsUser): Session;
  /** Undefined when there is none with this id, or its time is over. */
  get(id: string): Session | undefined;
  end(id: string): void;
  /** Keeps a notice for the next page of this session. */
  notify(id: string, notice: Notice): void;
  takeNotice(id: string): Notice | undefined;
}

export interface SessionsOptions {
  readonly clock: Clock;
  /** After this time somebody has to log in again, in milliseconds. */
  readonly lifetimeMs: number;
  /** Sessions at once; the oldest ends first. */
  readonly sessionsMax: number;
}

const idBytes = 32;

/**
 * Sessions in memory: one that is ended is over at once and for good, nothing that Redis or a disk holds makes one, and
 * a restart of the worker ends them all.
 */
export function createSessions({ clock, lifetimeMs, sessionsMax }: SessionsOptions): Sessions {
  const sessions = new Map<string, Session>();
  const notices = new Map<string, Notice>();
  const end = (id: string) => {
    sessions.delete(id);
    notices.delete(id);
  };
  return {
    begin: ({ name, passwordHash }) => {
      const now = clock.now().getTime();
      for (const { id, endsAt } of sessions.values()) if (endsAt.getTime() <= now) end(id);
      // A Map remembers the order of insertion.
      for (const id of sessions.keys()) if (sessions.size >= sessionsMax) end(id);
      const id = randomBytes(idBytes).toString('base64url');
      const session = { id, userName: name, passwordHash, endsAt: new Date(now + lifetimeMs) };
      sessions.set(id, session);
      return session;
    },
    get: (id) => {
      const session = sessions.get(id);
      return session !== undefined && clock.now() < session.endsAt ? session : undefined;
    },
    end,
    notify: (id, notice) => {
      if (sessions.has(id)) notices.set(id, notice);
    },
    takeNotice: (id) => {
      const notice = notices.get(id);
      notices.delete(id);
      return notice;
    },
  };
}

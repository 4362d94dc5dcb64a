/** The places for running jobs that the queues of one process share. */
export interface Places {
  /** Runs `work` once there is a place for a job of this queue and lane. */
  hold<T>(queue: string, lane: unknown, work: () => Promise<T>): Promise<T>;
  /**
   * How many jobs a queue may take now, those that it has taken included: what the others leave, and at least its
   * share. What it takes beyond the places waits for one, so that a queue that is full holds up no other for long.
   */
  limitOf(queue: string): number;
  /** Tells how many queues share the places from now on. */
  share(queues: number): void;
}

export interface PlacesOptions {
  /** Jobs that run at once. */
  readonly count: number;
  /** Called when the limits may be others than before. */
  readonly onChange: () => void;
}

interface Waiting {
  readonly live: boolean;
  readonly begin: () => void;
}

// Every fourth place goes to whoever waits longest: a backfill job that has been taken must not hold up the live
// pushes of its own queue for as long as another queue has some.
const turnOfLongest = 4;

export function createPlaces({ count, onChange }: PlacesOptions): Places {
  const taken = new Map<string, number>();
  /** In the order of their coming. */
  const waiting: Waiting[] = [];
  let running = 0;
  let granted = 0;
  let queues = 1;

  function place(live: boolean): Promise<void> {
    if (running < count) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((begin) => waiting.push({ live, begin }));
  }

  function leave(): void {
    granted += 1;
    const firstLive = granted % turnOfLongest === 0 ? -1 : waiting.findIndex(({ live }) => live);
    const [next] = waiting.splice(Math.max(0, firstLive), 1);
    // The place is handed over, so nobody who comes now can take it.
    if (next === undefined) running -= 1;
    else next.begin();
  }

  function take(queue: string, more: 1 | -1): void {
    taken.set(queue, (taken.get(queue) ?? 0) + more);
    onChange();
  }

  return {
    hold: async (queue, lane, work) => {
      take(queue, 1);
      try {
        await place(lane === 'push');
        try {
          return await work();
        } finally {
          leave();
        }
      } finally {
        take(queue, -1);
      }
    },
    limitOf: (queue) => {
      const others = [...taken].reduce((sum, [name, jobs]) => sum + (name === queue ? 0 : jobs), 0);
      return Math.max(Math.ceil(count / queues), count - others);
    },
    share: (number) => {
      queues = number;
      onChange();
    },
  };
}

/** One figure held against another of the same run. */
export interface Ratio {
  readonly what: string;
  readonly measured: string;
  readonly against: string;
  /** Measured through against; undefined where the aim is a limit and not a ratio. */
  readonly ratio?: number | undefined;
  readonly aim: string;
  readonly reached: boolean | undefined;
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What one scenario found out: a part of results.md. */
export interface Section {
  readonly title: string;
  /** What was done and how it was counted, in sentences. */
  readonly text: readonly string[];
  readonly ratios: readonly Ratio[];
  readonly table: Table;
  /** What can be right or wrong on any machine; the smoke test looks at these alone. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface ScenarioContext {
  /** 1 in an official run; every number of images, seconds and tags is multiplied by it. */
  readonly scale: number;
  /** Path of the registry with the referrers API. */
  readonly registryProgram: string;
  readonly log: (line: string) => void;
}

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string;
  run(context: ScenarioContext): Promise<Section>;
}

/** `full` scaled, never below `least`. */
export function scaled(full: number, { scale }: Pick<ScenarioContext, 'scale'>, least: number): number {
  return Math.max(least, Math.round(full * scale));
}

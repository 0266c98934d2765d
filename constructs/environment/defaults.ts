/** Settings of which those that have a default are there. */
export type WithDefaults<Settings, Defaults> = Settings &
  Required<Pick<Settings, keyof Settings & keyof Defaults>>;

/** Fills in what was left out, or was given as `undefined`. */
export function withDefaults<Settings extends object, Defaults extends Partial<Settings>>(
  defaults: Defaults,
  given: Settings,
): WithDefaults<Settings, Defaults> {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...defaults, ...(said as Settings) } as unknown as WithDefaults<Settings, Defaults>;
}

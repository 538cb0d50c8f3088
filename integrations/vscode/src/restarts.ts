// Limit of restarts after crashes. Restarts nothing.

const MAXIMUM = 5;
const PERIOD = 3 * 60_000;

/** Crashes of the server in the last minutes. */
export class RestartLimit {
  private crashes: number[] = [];

  /** Count a crash at a time in milliseconds, and return true if the server may start again. */
  allow(now: number): boolean {
    this.crashes = this.crashes.filter((time) => now - time < PERIOD);
    this.crashes.push(now);
    return this.crashes.length <= MAXIMUM;
  }
}

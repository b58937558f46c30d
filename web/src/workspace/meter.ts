/** What a session had used at a time, by the server's count. */
export type Sample = { at: number; cpu_user_us: number; cpu_system_us: number; memory_kib_ms: number };

/** What it used on average between two looks; none without two, or where the count began anew. */
export function between(before: Sample | null, after: Sample | null): { processors: number; memoryBytes: number } | null {
  if (!before || !after || after.at <= before.at) return null;
  const ms = after.at - before.at;
  const cpuUs = after.cpu_user_us + after.cpu_system_us - before.cpu_user_us - before.cpu_system_us;
  const kibMs = after.memory_kib_ms - before.memory_kib_ms;
  if (cpuUs < 0 || kibMs < 0) return null;
  return { processors: cpuUs / 1_000 / ms, memoryBytes: (kibMs / ms) * 1_024 };
}

/**
 * Random schedules: which hosts, which command, and what happens to it when. A seed makes one, always the same; what fails is made smaller
 * by leaving things out.
 */
export const COMMANDS = ['release', 'rollback', 'prune', 'unlock', 'catch-up', 'pin'] as const
export type Command = (typeof COMMANDS)[number]

/** The hosts of a lane: two with a shell, one that gives files only, and a folder of this machine. */
const SLOTS = ['web1', 'web2', 'files', 'here'] as const
export type Slot = (typeof SLOTS)[number]

/** When ship tells this event for the first time, and so many milliseconds on. */
export interface Moment {
  readonly event: 'step.started' | 'step.finished'
  readonly step: string
  readonly delayMs: number
}

export type Fault =
  | { readonly kind: 'signal'; readonly signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'; readonly at: Moment }
  /** `thawMs` after a freeze; undefined: only when the next release is through. */
  | {
      readonly kind: 'link'
      readonly slot: Slot
      readonly trouble: 'reset' | 'end' | 'freeze'
      readonly at: Moment | { readonly way: 'up' | 'down'; readonly bytes: number }
      readonly thawMs?: number | undefined
    }
  /** The line freezes after so many bytes, then ship is killed; the line thaws when the next release is through. */
  | { readonly kind: 'ghost'; readonly slot: Slot; readonly bytes: number }
  | { readonly kind: 'session'; readonly slot: Slot; readonly at: Moment }
  | { readonly kind: 'disk'; readonly slot: Slot; readonly at: Moment }
  | { readonly kind: 'gate'; readonly slot: Slot }
  | { readonly kind: 'hook'; readonly slot: Slot; readonly hook: 'beforeStage' | 'beforeSwitch' | 'afterSwitch' }
  | { readonly kind: 'second'; readonly command: Command; readonly at: Moment }

export interface Schedule {
  readonly seed: number
  readonly slots: readonly Slot[]
  readonly command: Command
  /** Hosts that a run which died left locked. */
  readonly locked: readonly Slot[]
  readonly faults: readonly Fault[]
}

export interface Abilities {
  /** Folders can be mounted and users locked into them: full disks, and hosts that give files only. */
  readonly asRoot: boolean
}

const STEPS: Readonly<Record<Command, readonly string[]>> = {
  release: ['connect', 'probe', 'lock', 'stage', 'stage', 'switch', 'switch', 'gate', 'mark', 'prune'],
  rollback: ['connect', 'probe', 'lock', 'switch', 'switch', 'gate', 'mark'],
  'catch-up': ['connect', 'probe', 'lock', 'stage', 'switch', 'mark'],
  prune: ['connect', 'lock', 'prune', 'prune'],
  unlock: ['connect', 'unlock', 'unlock'],
  pin: ['connect', 'lock', 'pin'],
}
/** About what a release of a few small files sends, the connection's own bytes included. */
const STREAM_BYTES = 16_000

/** The schedule of a seed. */
export function draw(seed: number, { asRoot }: Abilities): Schedule {
  const dice = new Dice(seed)
  const slots = dice.some(SLOTS.filter((slot) => asRoot || slot !== 'files'))
  const command = dice.weighted([
    ['release', 10],
    ['rollback', 4],
    ['catch-up', 2],
    ['prune', 2],
    ['unlock', 1],
    ['pin', 1],
  ] as const)
  const locked = command === 'unlock' || dice.below(8) === 0 ? dice.some(slots) : []
  const faults = Array.from({ length: 1 + dice.below(2) + dice.below(2) }, () =>
    drawFault(dice, slots, command, asRoot),
  )
  return { seed, slots, command, locked, faults: faults.flatMap((fault) => fault ?? []) }
}

function drawFault(dice: Dice, slots: readonly Slot[], command: Command, asRoot: boolean): Fault | undefined {
  const at: Moment = {
    event: dice.one(['step.started', 'step.finished'] as const),
    step: dice.one(STEPS[command]),
    delayMs: dice.below(3) === 0 ? 0 : dice.below(60),
  }
  const slot = dice.one(slots)
  const kind = dice.weighted([
    ['signal', 5],
    ['link', 5],
    ['session', 2],
    ['disk', asRoot ? 2 : 0],
    ['gate', 2],
    ['hook', 2],
    ['second', 3],
    ['ghost', 2],
  ] as const)
  if (kind === 'signal') return { kind, signal: dice.one(['SIGKILL', 'SIGKILL', 'SIGINT', 'SIGTERM']), at }
  if (kind === 'second') return { kind, command: dice.one(COMMANDS), at }
  if (kind === 'hook') return { kind, slot, hook: dice.one(['beforeStage', 'beforeSwitch', 'afterSwitch']) }
  if (kind === 'gate' || kind === 'disk') return kind === 'gate' ? { kind, slot } : { kind, slot, at }
  const remote = slots.filter((one) => one !== 'here')
  if (remote.length === 0) return undefined
  const far = dice.one(remote)
  if (kind === 'ghost') return { kind, slot: far, bytes: dice.below(STREAM_BYTES) }
  if (kind === 'session') return { kind, slot: far, at }
  const bytes = { way: dice.one(['up', 'down'] as const), bytes: dice.below(STREAM_BYTES) }
  const trouble = dice.one(['reset', 'end', 'freeze'] as const)
  return { kind, slot: far, trouble, at: dice.below(2) === 0 ? bytes : at, thawMs: 100 + dice.below(900) }
}

/** Smaller schedules, the smallest first: without a host, without one of the things that happen, without a delay. */
export function smaller(schedule: Schedule): Schedule[] {
  const { slots, locked, faults } = schedule
  const withoutSlot =
    slots.length < 2
      ? []
      : slots.map((slot) => ({
          ...schedule,
          slots: slots.filter((one) => one !== slot),
          locked: locked.filter((one) => one !== slot),
          faults: faults.filter((fault) => !('slot' in fault) || fault.slot !== slot),
        }))
  const withoutFault = faults.map((fault) => ({ ...schedule, faults: faults.filter((one) => one !== fault) }))
  const free = locked.length > 0 ? [{ ...schedule, locked: [] }] : []
  return [...withoutSlot, ...withoutFault, ...free]
}

/** Numbers that look random and follow from a seed (mulberry32). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e37_79b9) >>> 0
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  one<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  /** One at least, in their order. */
  some<T>(values: readonly T[]): T[] {
    const sure = this.below(values.length)
    return values.filter((_, index) => index === sure || this.below(3) === 0)
  }

  weighted<T>(values: readonly (readonly [T, number])[]): T {
    let left = this.below(values.reduce((sum, [, weight]) => sum + weight, 0))
    for (const [value, weight] of values) {
      if (left < weight) return value
      left -= weight
    }
    throw new RangeError('weights that sum up to nothing')
  }
}

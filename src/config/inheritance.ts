/** Environments that extend one another: what one of them says in all, and where each value was written. Pure. */
import { nearest } from './nearest.ts'

interface Extending {
  readonly extends?: string | undefined
}

type All<E> = Readonly<Record<string, E>>

/** What an environment says, from itself to the one that all rest on. A circle is followed once. */
function chainOf<E extends Extending>(all: All<E>, name: string): { readonly name: string; readonly own: E }[] {
  const chain: { name: string; own: E }[] = []
  const isNew = (next: string): boolean => chain.every((one) => one.name !== next)
  for (let next: string | undefined = name; next !== undefined && isNew(next); next = chain.at(-1)?.own.extends) {
    const own = Object.hasOwn(all, next) ? all[next] : undefined
    if (own === undefined) break
    chain.push({ name: next, own })
  }
  return chain
}

/** An environment with all that it inherits; of each key, what is written nearest to it counts, whole. */
export function inherited<E extends Extending>(all: All<E>, name: string): E | undefined {
  const [first, ...bases] = chainOf(all, name)
  if (!first) return undefined
  return bases.reduce((merged, { own }) => ({ ...withoutUndefined(own), ...withoutUndefined(merged) }) as E, first.own)
}

/** Which environment of the chain a key of this one comes from; undefined: none of them. */
export function originOf<E extends Extending>(all: All<E>, name: string, key: keyof E): string | undefined {
  return chainOf(all, name).find(({ own }) => own[key] !== undefined)?.name
}

/** What is wrong with what environments extend, and environments that have no hosts, not even inherited ones. */
export function inheritanceProblems(
  all: All<Extending & { readonly hosts?: unknown }>,
): { readonly path: readonly string[]; readonly message: string }[] {
  return Object.entries(all).flatMap(([name, { extends: base }]) => {
    const path = ['environments', name, 'extends']
    if (base !== undefined && !Object.hasOwn(all, base)) {
      const others = Object.keys(all).filter((other) => other !== name)
      const near = nearest(base, others)
      const hint = near === undefined ? '' : `; did you mean "${near}"?`
      return [{ path, message: `there is no environment "${base}"${hint}` }]
    }
    const chain = chainOf(all, name)
    const last = chain.at(-1)?.own.extends
    if (last === name) {
      const circle = [...chain.map((one) => one.name), name].join(' -> ')
      return [{ path, message: `environments extend each other in a circle: ${circle}` }]
    }
    const hasHosts = chain.some(({ own }) => own.hosts !== undefined)
    return hasHosts || last !== undefined ? [] : [{ path: ['environments', name, 'hosts'], message: 'is missing' }]
  })
}

/** The same without keys that have no value. */
export function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Partial<T>
}

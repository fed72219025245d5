/** What a host has in writing, judged without ship's own code: records, the journal and the lock. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const STATES = ['staged', 'live', 'verified', 'failed', 'bad']
const ACTIONS = ['release', 'rollback', 'put-back', 'pin', 'unpin', 'prune', 'unlock']

/** A release has its record, and that is one. */
export function recordProblem(root: string, version: string): string[] {
  const file = join(root, '.ship/releases', `${version}.json`)
  if (!existsSync(file)) return [`release ${version} has no record`]
  const record = oneLine(file)
  const isOne =
    record?.['schema'] === 1 &&
    record['version'] === version &&
    STATES.includes(String(record['state'])) &&
    /^[0-9a-f]{64}$/.test(String(record['digest'])) &&
    Number.isInteger(record['seq'])
  return isOne ? [] : [`the record of ${version} is none`]
}

/** Every line of the journal reads as one. */
export function journalProblems(root: string): string[] {
  const file = join(root, '.ship/history.ndjson')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  const last = lines.pop()
  const bad = lines.filter((line) => {
    const said = parsed(line)
    return (
      said?.['schema'] !== 1 ||
      !ACTIONS.includes(String(said['action'])) ||
      !['ok', 'failed'].includes(String(said['outcome']))
    )
  })
  return [
    ...bad.map((line) => `a line of the journal is none: ${line.slice(0, 80)}`),
    ...(last === '' ? [] : ['the journal ends within a line']),
  ]
}

/** The lock is free, or names the one holder that it can be taken over from. */
export function lockProblems(root: string, settled: boolean): string[] {
  const lock = join(root, '.ship/lock')
  if (!existsSync(lock)) return []
  const holders = readdirSync(lock)
  if (holders.length === 0) return []
  if (settled) return [`the lock is still held by ${holders.join(', ')}`]
  const [holder = ''] = holders
  if (holders.length > 1 || !/^[0-9a-f]{32}$/.test(holder))
    return [`the lock holds what is no holder: ${holders.join(', ')}`]
  const owner = oneLine(join(lock, holder, 'owner'))
  const hasOwner =
    typeof owner?.['token'] === 'string' && typeof owner['user'] === 'string' && typeof owner['client'] === 'object'
  return hasOwner ? [] : ['the lock has no owner']
}

function oneLine(file: string): Record<string, unknown> | undefined {
  if (!existsSync(file)) return undefined
  const [line = '', rest] = readFileSync(file, 'utf8').split('\n')
  return rest === '' ? parsed(line) : undefined
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

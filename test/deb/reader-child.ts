/**
 * Reads what lies below `current` in a tight loop until its input ends, and reports what it saw. A fault is a `current` that is gone, a
 * file that is missing, or files of two versions, while `current` led to one and the same place. Usage: reader-child <folder> <pages>
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '', pages = ''] = process.argv.slice(2)
const current = join(folder, 'current')
const faults: string[] = []
const targets = new Set<string>()
const versions = new Set<string>()
let looks = 0
let moved = 0

function look(): void {
  looks++
  const target = targetNow()
  if (target === undefined) return
  targets.add(target)
  let problem: string | undefined
  try {
    const version = readFileSync(join(current, 'VERSION'), 'utf8').trim()
    versions.add(version)
    const page = looks % Number(pages)
    const text = readFileSync(join(current, `pages/page ${page}.txt`), 'utf8')
    if (text !== `${version} page ${page}\n`)
      problem = `page ${page} of ${target} is not of version ${version}: ${text}`
  } catch (error) {
    problem = String(error)
  }
  // When it moved on meanwhile, the two files may be of two releases; the next look decides.
  if (targetNow() !== target) moved++
  else if (problem !== undefined) faults.push(problem)
}

function targetNow(): string | undefined {
  try {
    return readlinkSync(current)
  } catch (error) {
    faults.push(String(error))
    return undefined
  }
}

let open = true
process.stdin.on('end', () => (open = false)).resume()
// A look before the work and one behind it: both ends are seen, however busy the machine is.
look()
process.stdout.write('ready\n')
const loop = (): void => {
  const until = performance.now() + 20
  while (performance.now() < until) look()
  if (open) setImmediate(loop)
  else {
    look()
    const seen = { looks, moved, targets: [...targets], versions: [...versions], faults: faults.slice(0, 5) }
    process.stdout.write(`${JSON.stringify(seen)}\n`)
  }
}
loop()

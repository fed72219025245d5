/**
 * Reads `current` in a tight loop, as a web server would, until it is told to stop by its input's end. Prints what it saw: how often it
 * looked, how many different releases, and every look that found nothing, half of one, or a mixture.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

const [deployTo = '', pages = ''] = process.argv.slice(2)
const current = join(deployTo, 'current')
const faults: string[] = []
const targets = new Set<string>()
let looks = 0

function look(): void {
  looks++
  try {
    const target = readlinkSync(current)
    targets.add(target)
    const release = join(deployTo, target)
    const version = readFileSync(join(release, 'VERSION'), 'utf8').trim()
    const page = looks % Number(pages)
    const text = readFileSync(join(release, `page ${page}.txt`), 'utf8')
    if (text !== `${version} page ${page}\n`.repeat(50)) faults.push(`${target} holds another version`)
    // Through the link itself: it may have moved on, but it always leads somewhere.
    readFileSync(join(current, 'VERSION'))
  } catch (error) {
    faults.push(String(error))
  }
}

let open = true
process.stdin.on('end', () => (open = false)).resume()
process.stdout.write('ready\n')
const loop = (): void => {
  const until = performance.now() + 20
  while (performance.now() < until) look()
  if (open) setImmediate(loop)
  else process.stdout.write(`${JSON.stringify({ looks, targets: targets.size, faults: faults.slice(0, 10) })}\n`)
}
loop()

/** `SHA256SUMS` against the files of one build, of whatever kind they are. */
import { SUMS_FILE } from '../formats/sums.ts'
import { checked, type Beside, type Check } from './beside.ts'

/**
 * `more`: names of files that belong to the build besides its own four. Files that are not there are missing; a build that stands in the
 * sums with a part of its files only was changed, for a build lists all of them.
 */
export function checkSums(beside: Beside, more: readonly string[]): Promise<Check> {
  return checked('SHA256SUMS', async () => {
    const sums = await beside.sums()
    if (!sums) return { result: 'missing', found: `there is no ${SUMS_FILE}` }
    const names = [...new Set([...beside.own, ...more])]
    const there = new Map<string, string>()
    for (const name of names) {
      const digest = await beside.digest(name)
      if (digest !== undefined) there.set(name, digest)
    }
    const other = [...there].filter(([name, digest]) => sums.has(name) && sums.get(name) !== digest)
    const unlisted = [...there.keys()].filter((name) => !sums.has(name))
    const gone = names.filter((name) => sums.has(name) && !there.has(name))
    const problems = [
      ...other.map(([name]) => `${name} is not the file that ${SUMS_FILE} lists`),
      ...(unlisted.length > 0 ? [`${SUMS_FILE} does not list ${unlisted.join(', ')}`] : []),
      ...(gone.length > 0 ? [`listed, but not there: ${gone.join(', ')}`] : []),
    ]
    if (problems.length === 0) return { result: 'ok', found: `${there.size} files are as listed` }
    const isPart = unlisted.length > 0 && names.some((name) => sums.has(name))
    return { result: other.length > 0 || isPart ? 'wrong' : 'missing', found: problems.join('; ') }
  })
}

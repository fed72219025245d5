/** `ship diff`: what a release would change on the hosts, from what they run: files, sizes, commits, components. */
import { commitsBetween, type CommitsBetween } from '../build/commits.ts'
import { escapeControls } from '../names.ts'
import { liveOn, type LiveGroup } from '../release/live.ts'
import { changesBetween, type BundleChanges } from '../tree/changes.ts'
import { manifestDigest, type Manifest } from '../tree/manifest.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { RunCommand } from './command.ts'
import { diffLines } from './diff-text.ts'
import { noneReached, unreachedLines, withCommands } from './hosts-answer.ts'
import { chosenEnvironment, chosenManifest, openProject } from './project.ts'

/** Commits that people are shown; with `--json` there are more. */
const SHOWN = 20

interface Compared extends LiveGroup {
  readonly changes: BundleChanges | undefined
  readonly commits: CommitsBetween | undefined
}

export const run: RunCommand = async (input, context) => {
  const project = await openProject(context)
  const environment = await chosenEnvironment(input, context, project)
  const newer = await chosenManifest(input.args[0], context)
  const live = await liveOn(environment, context.io)
  const unreached = withCommands(live.unreached, environment.name)
  const groups = await Promise.all(
    live.groups.map(async (group): Promise<Compared> => {
      const from = group.manifest?.commit
      const to = newer.commit
      const isKnown = from !== undefined && to !== undefined && from !== to
      const commits = isKnown ? await commitsBetween(project.dir, from, to, context.io.signal) : undefined
      return { ...group, changes: group.manifest && changesBetween(group.manifest, newer), commits }
    }),
  )
  return {
    data: {
      environment: environment.name,
      to: { name: newer.name, version: newer.version, digest: manifestDigest(newer), commit: newer.commit },
      groups: groups.map(({ hosts, version, manifest, changes, commits }) => {
        return { hosts, version, commit: manifest?.commit, ...changes, commits }
      }),
      unreached,
    },
    text: (view) => [
      ...groups.flatMap((group, i) => groupLines(group, newer, { view, first: i === 0, groups })),
      ...unreachedLines(unreached, view),
    ],
    error: groups.length === 0 ? noneReached(unreached) : undefined,
  }
}

interface Style {
  readonly view: View
  readonly first: boolean
  readonly groups: readonly Compared[]
}

function groupLines(
  { hosts, version, manifest, changes, commits }: Compared,
  newer: Manifest,
  { view, first, groups }: Style,
): readonly string[] {
  const { style } = view
  const names = groups.length === 1 && hosts.length > 1 ? `all ${count(hosts.length, 'host')}` : hosts.join(', ')
  const heading = `${names}: ${version ?? 'nothing'} -> ${newer.version}`
  const body =
    manifest && changes
      ? manifestDigest(manifest) === manifestDigest(newer)
        ? ['the same: there is nothing to release']
        : [...commitLines(commits, view), ...diffLines(manifest, newer, changes, view)]
      : [
          version === undefined
            ? 'nothing is live there: all of it is new'
            : 'what is live there was not made by ship, so it cannot be compared',
        ]
  return [...(first ? [] : ['']), style.bold(escapeControls(heading)), ...body]
}

function commitLines(commits: CommitsBetween | undefined, { style }: View): readonly string[] {
  if (!commits || commits.addedCount + commits.removedCount === 0) return []
  const { added, addedCount, removedCount } = commits
  const more = addedCount - Math.min(added.length, SHOWN)
  return [
    ...added.slice(0, SHOWN).map(({ commit, author, subject }) => {
      return `${style.yellow(escapeControls(commit))} ${escapeControls(subject)} ${style.dim(`(${escapeControls(author)})`)}`
    }),
    ...(more > 0 ? [style.dim(`and ${count(more, 'commit')} before`)] : []),
    ...(removedCount > 0
      ? [style.red(`${count(removedCount, 'commit')} of what is live ${removedCount === 1 ? 'is' : 'are'} not in it`)]
      : []),
    '',
  ]
}

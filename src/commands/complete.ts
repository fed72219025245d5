/** What a shell asks for while somebody types. Whatever is wrong, the answer is that nothing is known: a shell shows no errors. */
import { resolve } from 'node:path'
import { distOf, readBuilds } from '../build/dist.ts'
import { environmentOf } from '../config/environment.ts'
import { loadProject, type Project } from '../config/load.ts'
import { knownReleases } from '../release/known.ts'
import { compareVersions } from '../version.ts'
import type { Context, RunCommand } from './command.ts'
import { complete, type Asked, type Choice, type Completion } from './complete-words.ts'
import { COMMANDS } from './index.ts'

export const run: RunCommand = async (input, context) => {
  const words = input.args.filter((word) => word !== undefined)
  const found = complete(words, COMMANDS)
  const asked = found.asked === undefined ? [] : await askedFor(found.asked, found, context).catch(() => [])
  const choices = [...found.choices, ...asked].filter(({ value }) => value.startsWith(found.word))
  return {
    data: { choices },
    text: () =>
      choices.map(({ value, about }) => `${found.prefix}${value.slice(found.cut)}\t${about.replaceAll(/\s+/g, ' ')}`),
  }
}

async function askedFor(
  asked: Asked,
  { cwd, config, environment }: Completion,
  context: Context,
): Promise<readonly Choice[]> {
  const folder = cwd === undefined ? context.cwd : resolve(context.cwd, cwd)
  const project = await loadProject({ cwd: folder, configFile: config ?? context.config })
  if (asked === 'environment') return plain(Object.keys(project.config.environments), 'environment')
  if (asked === 'task') return plain(Object.keys(project.config.tasks), 'task')
  if (asked === 'built') return builtVersions(project)
  const name = environment ?? context.environment
  if (asked === 'released' || asked === 'verified') {
    const versions = await releasedVersions(project, name)
    return asked === 'released' ? versions : versions.filter(({ about }) => about === 'verified')
  }
  const { hosts } = await environmentOf(project, { name })
  if (asked === 'role') return plain([...new Set(hosts.flatMap(({ roles }) => roles))], 'role')
  return hosts.map((host) => ({ value: host.name, about: host.roles.join(', ') }))
}

async function builtVersions(project: Project): Promise<readonly Choice[]> {
  const builds = await readBuilds(distOf(project))
  const versions = builds.filter(({ name }) => name === project.name).map(({ version }) => version)
  return plain([...new Set(versions)].toSorted(compareVersions).toReversed(), 'built')
}

/** As the hosts had them when they were last asked. */
async function releasedVersions(project: Project, wanted: string | undefined): Promise<readonly Choice[]> {
  const [only, ...others] = Object.keys(project.config.environments)
  const name = wanted ?? (others.length === 0 ? only : undefined)
  if (name === undefined) return []
  const known = await knownReleases(project.name, name)
  return known.map(({ version, state }) => ({ value: version, about: state }))
}

function plain(values: readonly string[], about: string): readonly Choice[] {
  return values.map((value) => ({ value, about }))
}

/** `ship verify`: a bundle and all that lies beside it, or with `-e` what runs on the hosts against theirs. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkList } from '../build/check-list.ts'
import { bundleOf } from '../build/find.ts'
import { findUpward } from '../config-file.ts'
import { isDebFile } from '../deb/open.ts'
import { signersOf } from '../config/signing.ts'
import { ShipError } from '../errors.ts'
import type { Bundle } from '../formats/bundle.ts'
import { formatOfFile } from '../formats/index.ts'
import { inStep } from '../io.ts'
import { escapeControls } from '../names.ts'
import { verifyHosts, type HostVerification } from '../release/status.ts'
import { besideOf, type Check } from '../trust/beside.ts'
import { DEFAULT_NAMESPACE, type Signers } from '../trust/signature.ts'
import { verifyArtifacts } from '../trust/verify.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import { isVersion } from '../version.ts'
import type { Answer, Context, Input, RunCommand } from './command.ts'
import { noneReached, unreachedLines, withCommands } from './hosts-answer.ts'
import { chosenEnvironment, chosenFile, openProject } from './project.ts'

const COLUMNS = [{ title: 'HOST' }, { title: 'VERSION' }, { title: 'PROBLEM' }, { title: 'PATH' }] as const

export const run: RunCommand = async (input, context) => {
  if (context.environment !== undefined) return verifyEnvironment(input, context)
  const bundle = await chosenArtifact(input.args[0], context)
  const trust = await trustOf(input, context)
  const checks = await checkedInStep(bundle, trust, context)
  const { name, version, entries } = bundle.manifest
  const wrong = checks.filter((c) => c.result === 'wrong')
  const isWhole = checks.every((c) => c.result !== 'wrong' && (c.what !== 'archive' || c.result === 'ok'))
  const closing = `${name} ${version} is whole: ${count(entries.length, 'entry', 'entries')}, digest ${bundle.digest}`
  return {
    data: { name, version, digest: bundle.digest, archive: bundle.archive, entries: entries.length, checks },
    text: (view) => [...checkLines(checks, view), ...(isWhole ? [closing] : [])],
    error: wrong.length === 0 ? undefined : refusal(bundle, wrong),
  }
}

/** Any file of a build will do: all of them are checked together. */
async function chosenArtifact(wanted: string | undefined, context: Context): Promise<Bundle> {
  const file =
    wanted === undefined || formatOfFile(wanted) || isDebFile(wanted) ? undefined : resolve(context.cwd, wanted)
  const found = file !== undefined && existsSync(file) ? await bundleOf(file) : undefined
  return found ?? chosenFile(wanted, context)
}

interface Trust {
  readonly signers: Signers | undefined
  readonly mustBeSigned: boolean
}

/** Whose signature counts: `--signers`, else what the project around says. Where somebody is named, a signature is needed. */
async function trustOf(input: Input, context: Context): Promise<Trust> {
  const given = input.text('signers')
  const isProject = context.config !== undefined || findUpward(context.cwd) !== undefined
  const project = isProject ? await openProject(context) : undefined
  const known = project && signersOf(project)
  if (given === undefined) return { signers: known, mustBeSigned: known !== undefined }
  const file = resolve(context.cwd, given)
  return { signers: { file, namespace: known?.namespace ?? DEFAULT_NAMESPACE }, mustBeSigned: true }
}

async function checkedInStep(bundle: Bundle, trust: Trust, { io }: Context): Promise<readonly Check[]> {
  const total = bundle.manifest.entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  const onProgress = (done: number): void =>
    io.emit({ event: 'step.progress', step: 'verify', progress: { done, total, unit: 'bytes' } })
  let checks: readonly Check[] = []
  await inStep(io.emit, { step: 'verify', title: 'bundle' }, async () => {
    const beside = besideOf(bundle, io.signal)
    const list = await checkList(beside)
    checks = [...(await verifyArtifacts(beside, { ...trust, signal: io.signal, onProgress })), ...(list ? [list] : [])]
  })
  return checks
}

function refusal({ manifest }: Bundle, wrong: readonly Check[]): ShipError {
  const what = wrong.map((c) => c.what).join(', ')
  return new ShipError('refused', `${manifest.name} ${manifest.version} is not to be trusted: ${what}`, {
    details: wrong.map((c) => `${c.what}: ${c.found}`),
    next: ['get the files again, or build them again'],
  })
}

function checkLines(checks: readonly Check[], { style }: View): readonly string[] {
  const paint = { ok: style.green, unchecked: style.yellow, missing: style.yellow, wrong: style.red }
  return checks.map(({ what, result, found }) => {
    return `${what.padEnd(14)}  ${paint[result](result.padEnd(9))}  ${escapeControls(found)}`
  })
}

async function verifyEnvironment(input: Input, context: Context): Promise<Answer> {
  const [wanted] = input.args
  if (wanted !== undefined && !isVersion(wanted)) {
    throw new ShipError('usage', 'with -e a version on the hosts is checked, without it an artifact here: not both')
  }
  const environment = await chosenEnvironment(input, context)
  const hosts = withCommands(await verifyHosts(environment, wanted, context.io), environment.name)
  const drifted = hosts.filter((h) => h.drift.length > 0)
  const error =
    drifted.length === 0
      ? noneReached(hosts)
      : new ShipError(
          'differs',
          `${count(drifted.length, 'host')} of ${hosts.length} ${drifted.length === 1 ? 'has' : 'have'} files that were not released`,
          {
            next: [
              'find out who changed them',
              wanted === undefined
                ? 'a new version takes their place: ship build --bump patch, then: ship release'
                : `what is not live can be staged anew: ship release ${wanted}`,
            ],
          },
        )
  return {
    data: { environment: environment.name, hosts },
    text: (view) => driftLines(hosts, wanted, view),
    error,
  }
}

function driftLines(hosts: readonly HostVerification[], wanted: string | undefined, view: View): readonly string[] {
  const rows = hosts.flatMap((h) =>
    h.drift.map((d): Cell[] => [h.host, h.version ?? '', { text: d.problem, paint: 'red' }, d.path]),
  )
  const whole = hosts.filter((h) => !h.error && h.version !== undefined && h.drift.length === 0)
  const without = hosts.filter((h) => !h.error && h.version === undefined)
  return [
    ...table(COLUMNS, rows, view),
    ...unreachedLines(hosts, view),
    ...(whole.length > 0
      ? [`${whole.map((h) => `${h.host} ${h.version ?? ''}`).join(', ')}: every file is as it was released`]
      : []),
    ...(without.length > 0
      ? [
          `${without.map((h) => h.host).join(', ')}: ${wanted === undefined ? 'nothing of ship is live' : `${wanted} is not there`}`,
        ]
      : []),
  ]
}

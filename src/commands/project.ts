/** From flags to the project and the environment they mean. */
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { distOf } from '../build/dist.ts'
import { findBundle, findDeb, findManifest, isBundleFile, type BundleQuestion } from '../build/find.ts'
import { needsSignature, signersOf } from '../config/signing.ts'
import { environmentOf, type Environment } from '../config/environment.ts'
import { loadProject, type Project } from '../config/load.ts'
import { checkDeb, isDebFile, openDeb, type DebBundle } from '../deb/open.ts'
import { ShipError } from '../errors.ts'
import { fileDigest } from '../file-digest.ts'
import { verifyBundle, verifyListed, type Bundle } from '../formats/bundle.ts'
import { noteNobody } from '../greeting.ts'
import type { DebFile } from '../host/session.ts'
import { inStep } from '../io.ts'
import { catchUpVersion } from '../release/catch-up.ts'
import type { ReleaseRequest } from '../release/release.ts'
import { requireSignature } from '../trust/check-signature.ts'
import type { Manifest } from '../tree/manifest.ts'
import type { Context, Input } from './command.ts'
import { hostsOf, strategyOf } from './strategy-text.ts'
import { contentBytes } from '../tree/entries.ts'

/** The project that `--config` or the folder means. A configuration may run code of the user's, so Ctrl-C does not wait for it. */
export function openProject({ cwd, config, io }: Context): Promise<Project> {
  return orAborted(loadProject({ cwd, configFile: config }), io.signal)
}

/** The environment of `-e`, with the hosts of `--hosts` and `--roles`, and with what flags say instead of the configuration. */
export async function chosenEnvironment(input: Input, context: Context, known?: Project): Promise<Environment> {
  const project = known ?? (await openProject(context))
  const selection = { name: context.environment, hosts: input.list('hosts'), roles: input.list('roles') }
  const environment = await orAborted(environmentOf(project, selection), context.io.signal)
  const [strategy, failed, unreachable] = [
    input.text('strategy'),
    input.text('maxFailed'),
    input.text('maxUnreachable'),
  ]
  return {
    ...environment,
    ...(strategy === undefined ? {} : { strategy: strategyOf(strategy) }),
    ...(failed === undefined ? {} : { maxFailed: hostsOf('max-failed', failed) }),
    ...(unreachable === undefined ? {} : { maxUnreachable: hostsOf('max-unreachable', unreachable) }),
  }
}

/** The bundle that an argument means: a file needs no project, a version does. Its content is not read yet. */
export async function chosenFile(wanted: string | undefined, context: Context): Promise<Bundle | DebBundle> {
  if (wanted !== undefined && isDebFile(wanted)) return openDeb(resolve(context.cwd, wanted), context.io.signal)
  if (wanted !== undefined && isBundleFile(wanted)) {
    return findBundle({ dist: '', app: '', cwd: context.cwd, wanted })
  }
  const project = await openProject(context)
  return findBundle({ dist: distOf(project), app: project.name, cwd: context.cwd, wanted })
}

/** What the bundle that an argument means holds. Its archive need not be there any more. */
export async function chosenManifest(wanted: string | undefined, context: Context): Promise<Manifest> {
  if (wanted !== undefined && isDebFile(wanted)) return (await chosenFile(wanted, context)).manifest
  if (wanted !== undefined && isBundleFile(wanted)) {
    return findManifest({ dist: '', app: '', cwd: context.cwd, wanted })
  }
  const project = await openProject(context)
  return findManifest({ dist: distOf(project), app: project.name, cwd: context.cwd, wanted })
}

/** How often the progress of a check is told at most. */
const MAX_TOLD = 200

/** Reads a bundle whole and checks it: what goes on from here is what was built. */
async function checkBundle(bundle: Bundle, { io }: Context): Promise<Bundle> {
  const { name, version, entries } = bundle.manifest
  const total = contentBytes(entries)
  let checked = bundle
  await inStep(io.emit, { step: 'verify', title: 'bundle' }, async () => {
    let told = 0
    const onProgress = (done: number): void => {
      // An archive of thousands of small files is read in less time than it takes to tell of each.
      if (done < total && done - told < total / MAX_TOLD) return
      told = done
      io.emit({ event: 'step.progress', step: 'verify', progress: { done, total, unit: 'bytes' } })
    }
    const options = { signal: io.signal, onProgress }
    if (bundle.format !== 'deb') checked = await verifyBundle(bundle, options)
    else {
      await verifyListed(bundle, io.signal)
      await checkDeb(bundle, options)
    }
    return `${name} ${version}, ${bundle.digest.slice(0, 12)}`
  })
  return checked
}

async function checkSignature(bundle: Bundle, project: Project, { io }: Context): Promise<void> {
  const signers = signersOf(project)
  if (!signers) throw new ShipError('config', 'a signature is needed, and "signers" names nobody')
  await inStep(io.emit, { step: 'signature', title: 'check the signature' }, () =>
    requireSignature(bundle, signers, io.signal),
  )
}

/** What `release` and `plan` are asked to do. */
export async function chosenRelease(
  input: Input,
  context: Context,
  onChosen?: (environment: Environment) => void,
): Promise<ReleaseRequest> {
  const project = await openProject(context)
  const environment = await chosenEnvironment(input, context, project)
  const catchUp = input.on('catchUp')
  if (catchUp && input.args[0] !== undefined) throw new ShipError('usage', 'a bundle and --catch-up exclude each other')
  // Nobody is connected to for what nobody may have signed.
  const isSigned = needsSignature(project, environment.name)
  if (isSigned) noteNobody()
  const wanted = catchUp ? await catchUpVersion(environment, context.io) : input.args[0]
  const question = {
    dist: distOf(project),
    app: project.name,
    cwd: context.cwd,
    wanted,
    onChosen: () => (isSigned ? undefined : onChosen?.(environment)),
  }
  const { bundle: built, deb } = await builtFor(environment, question, context)
  const bundle = { ...built, sources: resolve(project.dir, project.config.build.from) }
  const { name } = bundle.manifest
  if (name !== project.name) {
    throw new ShipError('refused', `this is a bundle of "${name}", and the project is "${project.name}"`, {
      state: 'nothing was changed on any host',
    })
  }
  let checked: Promise<Bundle> | undefined
  const check = (): Promise<Bundle> => (checked ??= checkBundle(bundle, context))
  if (isSigned) await checkSignature(bundle, project, context)
  // A file may be a stranger's: nobody is connected to before it was read. What was built here is read meanwhile.
  if (wanted !== undefined && (isBundleFile(wanted) || isDebFile(wanted))) await check()
  // After a rollback a host that stayed behind runs something newer than the others.
  const allowDowngrade = input.on('allowDowngrade') || catchUp
  const [duringFreeze, anyBranch, skipSoak] = [input.on('duringFreeze'), input.on('anyBranch'), input.on('skipSoak')]
  const flags = { allowDowngrade, duringFreeze, anyBranch, skipSoak }
  return { environment, bundle, deb, check, ...flags, force: input.on('force') }
}

/** What an environment gets: an archive, or the package that its hosts install. */
async function builtFor(
  { hosts, format }: Environment,
  question: BundleQuestion,
  { io }: Context,
): Promise<{ readonly bundle: Bundle; readonly deb?: DebFile }> {
  const [host] = hosts
  if (format !== 'deb' || !host?.deb) return { bundle: await findBundle(question) }
  const wanted = host.deb.package
  const file = await findDeb(question, wanted)
  const bundle = await openDeb(file, io.signal)
  const { Package: name = '', Version: version = '' } = bundle.fields
  if (name !== wanted) {
    throw new ShipError('refused', `"${basename(file)}" is the package "${name}", and "${wanted}" is released`, {
      state: 'nothing was changed on any host',
    })
  }
  const [sha256, { size }] = [await fileDigest(file, io.signal), await stat(file)]
  return { bundle, deb: { package: name, version, sha256, sizeBytes: size } }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((fulfil, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(fulfil, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

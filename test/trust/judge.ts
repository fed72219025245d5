/** What `ship verify ARTIFACT` finds, without a process for each question. */
import { checkList } from '../../src/build/check-list.ts'
import { isDebFile, openDeb } from '../../src/deb/open.ts'
import { ShipError } from '../../src/errors.ts'
import { openBundle } from '../../src/formats/bundle.ts'
import { besideOf } from '../../src/trust/beside.ts'
import type { Signers } from '../../src/trust/signature.ts'
import { verifyArtifacts } from '../../src/trust/verify.ts'

/** What is said against a bundle; nothing when it is well. With signers, a signature of one of them is needed. */
export async function objections(archive: string, signers?: Signers): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(150_000)
  try {
    const bundle = await (isDebFile(archive) ? openDeb(archive, signal) : openBundle(archive))
    const beside = besideOf(bundle, signal)
    const list = await checkList(beside)
    const checks = await verifyArtifacts(beside, { signers, mustBeSigned: signers !== undefined, signal })
    return [...checks, ...(list ? [list] : [])].filter((c) => c.result === 'wrong').map((c) => c.found)
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'refused') return [error.message]
    throw error
  }
}

/** A bundle and what lies beside it, checked without a network: archive, sums, signature, SBOM, provenance. */
import { basename } from 'node:path'
import { checkDeb, type DebCheck } from '../deb/open.ts'
import { readBundle, type Bundle, type ReadOptions } from '../formats/bundle.ts'
import { checked, type Beside, type Check } from './beside.ts'
import { checkProvenance, subjectsOf } from './check-provenance.ts'
import { checkSbom } from './check-sbom.ts'
import { checkSignature, type SignatureRequest } from './check-signature.ts'
import { checkSums } from './check-sums.ts'

export interface VerifyRequest extends ReadOptions, SignatureRequest {}

/** All checks, whatever the ones before found. Rejects only when it could not look. */
export async function verifyArtifacts(beside: Beside, request: VerifyRequest): Promise<readonly Check[]> {
  return [
    await checkArchive(beside, request),
    await checkSums(beside, await subjectsOf(beside)),
    await checkSignature(beside, request),
    await checkSbom(beside),
    await checkProvenance(beside),
  ]
}

function checkArchive({ bundle }: Beside, options: ReadOptions): Promise<Check> {
  const { archive, manifest } = bundle
  return checked('archive', async () => {
    if (bundle.format === 'deb') return debVerdict(bundle, await checkDeb(bundle, options))
    await readBundle(bundle, () => Promise.resolve(), options)
    return { result: 'ok', found: `${basename(archive)} holds all ${entries(manifest.entries.length)} as listed` }
  })
}

/** A package may be made of a part of the tree; which part was meant, only its builder knows. */
function debVerdict({ archive, manifest }: Bundle, { held, others }: DebCheck): Pick<Check, 'result' | 'found'> {
  const all = manifest.entries.length
  const rest = `and ${others} files of its own`
  const name = basename(archive)
  if (held === all) return { result: 'ok', found: `${name} holds all ${entries(all)} as listed, ${rest}` }
  return { result: 'unchecked', found: `${name} holds ${held} of ${entries(all)}, each as listed, ${rest}` }
}

function entries(count: number): string {
  return count === 1 ? '1 entry' : `${count} entries`
}

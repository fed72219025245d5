/** The provenance against the files it is about, and against the manifest. */
import { basename } from 'node:path'
import { z } from 'zod'
import { manifestFileName } from '../formats/bundle.ts'
import { checked, isFileName, readDocument, type Beside, type Check } from './beside.ts'
import { PREDICATE_TYPE, provenanceFileName, STATEMENT_TYPE } from './provenance.ts'

const LIMITS = { maxBytes: 64 * 1024 * 1024, maxValues: 2_000_000 }

const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha256: z.string() }) })),
  predicate: z.object({
    buildDefinition: z.object({
      externalParameters: z.object({ name: z.string(), version: z.string(), ref: z.string().optional() }),
      internalParameters: z.object({ platform: z.string() }),
    }),
    runDetails: z.object({ builder: z.object({ id: z.string() }) }),
  }),
})

/** Names of the files that the provenance is about; none when it cannot be read. */
export async function subjectsOf(beside: Beside): Promise<readonly string[]> {
  const file = provenanceFileName(beside.bundle.manifest)
  const statement = await readDocument(beside, file, statementSchema, LIMITS).catch(() => undefined)
  return statement?.subject.map((s) => s.name).filter(isFileName) ?? []
}

/** Files that are not here are no fault of the provenance: `SHA256SUMS` tells them. */
export function checkProvenance(beside: Beside): Promise<Check> {
  return checked('provenance', async () => {
    const { manifest, archive } = beside.bundle
    const file = provenanceFileName(manifest)
    const wrong = (why: string) => ({ result: 'wrong', found: `${file} ${why}` }) as const
    const statement = await readDocument(beside, file, statementSchema, LIMITS)
    if (!statement) return { result: 'missing', found: `there is no ${file}` }
    const { externalParameters, internalParameters } = statement.predicate.buildDefinition
    const { name, version, ref } = externalParameters
    if (name !== manifest.name || version !== manifest.version) return wrong(`is of ${name} ${version}`.slice(0, 200))
    if (ref !== manifest.commit || internalParameters.platform !== manifest.platform)
      return wrong('tells another commit or platform than the manifest')
    const subjects = new Map(statement.subject.map((s) => [s.name, s.digest.sha256]))
    const none = [basename(archive), manifestFileName(manifest)].filter((own) => !subjects.has(own))
    if (none.length > 0) return wrong(`says nothing of ${none.join(', ')}`)
    const stray = [...subjects.keys()].find((subject) => !isFileName(subject))
    if (stray !== undefined) return wrong(`names "${stray.slice(0, 200)}", which is no file of this folder`)
    const other: string[] = []
    for (const [subject, sha256] of subjects) {
      const digest = await beside.digest(subject)
      if (digest !== undefined && digest !== sha256) other.push(subject)
    }
    if (other.length > 0) return wrong(`is of another ${other.join(', ')}`)
    return { result: 'ok', found: `${file} is of this archive and its manifest` }
  })
}

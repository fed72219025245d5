/** What to type for a shared file that a host lacks: with the user and the port of the host, and with names that a shell would take apart. */
import { expect, it } from 'vitest'
import type { Environment } from '../../src/config/environment.ts'
import { parseHostName } from '../../src/names.ts'
import { sharedProblem } from '../../src/release/fit.ts'
import type { Host } from '../../src/transport/transport.ts'
import { hostState } from './states.ts'

const PLAIN: Host = {
  name: parseHostName('web1'),
  address: 'web1.example',
  roles: [],
  labels: {},
  env: {},
  deployTo: '/opt/shop',
  transport: 'auto',
}

it.each<[Partial<Host>, string]>([
  [{}, "ssh web1.example 'mkdir -p /opt/shop/shared' && scp .env web1.example:/opt/shop/shared/.env"],
  [
    { user: 'deploy', port: 2222 },
    "ssh -p 2222 deploy@web1.example 'mkdir -p /opt/shop/shared' && scp -P 2222 .env deploy@web1.example:/opt/shop/shared/.env",
  ],
  [
    { deployTo: '/opt/my shop' },
    `ssh web1.example 'mkdir -p '\\''/opt/my shop/shared'\\''' && scp .env 'web1.example:/opt/my shop/shared/.env'`,
  ],
])('%j', (parts, command) => {
  const environment = { shared: { dirs: [], files: ['.env'], optionalFiles: [] } } as unknown as Environment
  const problem = sharedProblem(environment, { ...PLAIN, ...parts }, hostState({ missingShared: ['.env'] }))
  expect(problem?.next[0]).toBe(`put it there once: ${command}`)
})

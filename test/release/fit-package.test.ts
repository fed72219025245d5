/** Which hosts take packages, and what is said to those that do not. */
import { describe, expect, it } from 'vitest'
import type { DebState } from '../../src/host/deb-state.ts'
import { parseHostName } from '../../src/names.ts'
import { formProblem, isOtherPackage } from '../../src/release/fit-package.ts'
import type { Host } from '../../src/transport/transport.ts'
import { hostState, record } from './states.ts'

const limits = { package: 'shop', lockMs: 1, installMs: 1, switchMs: 1 }
const host = (deb: Host['deb']): Host => {
  const name = parseHostName('web1')
  return { name, address: 'web1', roles: [], labels: {}, env: {}, deployTo: '/opt/shop', transport: 'sftp', deb }
}
const WELL: DebState = { status: 'absent', version: undefined, onHold: false, apt: true, asRoot: true }
const file = { package: 'shop', version: '1.0.0-1', sha256: 'a'.repeat(64), sizeBytes: 1 }

describe('a host for packages', () => {
  const problem = (deb: Partial<DebState>, more: object = {}, target = undefined as typeof file | undefined) =>
    formProblem(host(limits), { ...hostState(), deb: { ...WELL, ...deb }, ...more }, target)

  it('needs apt and the rights of root', () => {
    expect(problem({})).toBeUndefined()
    expect(problem({ apt: false })?.message).toMatch(/has no apt-get/)
    const closed = problem({ asRoot: false })
    expect(closed).toMatchObject({ reason: 'not-switched', state: 'nothing was changed on any host' })
    expect(closed?.message).toMatch(/not root and may not use sudo without a password/)
    expect(closed?.next.join()).toContain('NOPASSWD')
  })

  it('runs programs', () => {
    const found = formProblem(host(limits), { ...hostState(), withoutShell: ['no locks'] }, undefined)
    expect(found?.message).toMatch(/runs no programs/)
  })

  it('is not one where something else is in the way', () => {
    expect(problem({ onHold: true })?.message).toMatch(/on hold/)
    expect(problem({}, { otherForm: 'releases/1.0.0' })?.message).toMatch(/current leads to releases\/1\.0\.0/)
    const strange = { status: 'installed', version: '1.0.0-1' } as const
    expect(problem(strange)?.message).toMatch(/installed by somebody else/)
    expect(problem(strange, {}, { ...file, version: '1.1.0-1' })?.message).toMatch(/installed by somebody else/)
    // That very version is how ship takes it over, and a half-done one is put right.
    expect(problem(strange, {}, file)).toBeUndefined()
    expect(problem({ status: 'broken', version: '1.0.0-1' })).toBeUndefined()
  })

  it('is none for archives once it has the package', () => {
    expect(formProblem(host(undefined), { ...hostState(), otherForm: 'shop' }, undefined)?.message).toMatch(
      /as the package "shop"/,
    )
    expect(formProblem(host(undefined), hostState(), undefined)).toBeUndefined()
  })

  it('holds a version to the bytes of its package', () => {
    const kept = { ...record('1.0.0', 'verified', 1), deb: file }
    expect(isOtherPackage(kept, file)).toBe(false)
    expect(isOtherPackage(kept, { ...file, sha256: 'b'.repeat(64) })).toBe(true)
    expect(isOtherPackage(kept, undefined)).toBe(false)
  })
})

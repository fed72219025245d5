/** Procfiles: processes as programs of the tree, with the settings that the host has for them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseProcfile } from '../../src/build/procfile.ts'
import procfile from '../../recipes/procfile.ts'
import { freePort, get, mapped, place, run, start, type Place } from './place.ts'

describe('an app with a Procfile', () => {
  let project: Place
  let tree = ''
  beforeAll(async () => {
    project = place('procfile')
    project.write({ '.env': 'SECRET=of the developer\n', '.env.local': 'SECRET=1\n', '.env.example': 'BOARD=\n' })
    await project.build()
    tree = project.unpack()
  })
  afterAll(() => project.dispose())

  it('has a program for each process, that runs with what came along', async () => {
    const said = run(tree, ['bin/worker'])
    expect(said).toContain('the worker is done')
    expect(said).toContain(`"folder":"${tree}/app","node":"${tree}/embedded/bin/node"`)
    expect(run(tree, ['bin/release'])).toBe('migrated\n')
    const port = await freePort()
    const server = start(tree, ['bin/web'], { PORT: String(port), BOARD: 'blue' })
    try {
      expect(await (await get(`http://127.0.0.1:${port}/`)).json()).toEqual({ board: 'blue', mode: 'production' })
      // The program itself gets the signals of a supervisor, not a shell around it.
      expect(mapped(server.pid)[0]).toBe(join(tree, 'embedded/bin/node'))
    } finally {
      await server.end()
    }
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
  })

  it('has a port for the web process when nobody chose one', () => {
    const web = readFileSync(join(tree, 'bin/web'), 'utf8')
    const shown = execFileSync(
      'sh',
      ['-c', web.replace(/exec sh -c .*$/m, 'echo "$PORT"').replace('self=$0', `self='${tree}/bin/web'`)],
      { env: {} },
    )
    expect(shown.toString()).toBe('5000\n')
    expect(readFileSync(join(tree, 'bin/worker'), 'utf8')).not.toContain('PORT')
  })

  it('reads the .env of the host, runs nothing of it, and lets the caller win', () => {
    const env = join(tree, '.env')
    const board = (caller: Readonly<Record<string, string>> = {}): string =>
      /"board":("(?:[^"\\]|\\.)*")/.exec(run(tree, ['bin/worker'], caller))?.[1] ?? ''
    const value = (text: string, caller?: Readonly<Record<string, string>>): unknown => {
      writeFileSync(env, text)
      return JSON.parse(board(caller))
    }
    expect(board()).toBe('"none"')
    expect(value('BOARD=red')).toBe('red')
    expect(value('BOARD="red"\r\n')).toBe('red')
    expect(value('# BOARD=no\n\nexport BOARD="a b  c"\n')).toBe('a b  c')
    expect(value("BOARD='it'\\''s $HOME'\n")).toBe("it'\\''s $HOME")
    expect(value(`BOARD=$(touch '${tree}/ran') \`id\` $x = y\\n\n`)).toBe(`$(touch '${tree}/ran') \`id\` $x = y\\n`)
    expect(value('x;touch ran=1\nA B=2\n1=2\nno line\nBOARD=last')).toBe('last')
    expect(value('BOARD=file', { BOARD: 'caller' })).toBe('caller')
    expect(value('BOARD=file', { BOARD: '' })).toBe('')
    expect(existsSync(join(tree, 'ran')) || existsSync(join(tree, 'app/ran'))).toBe(false)
  })

  it('ships no .env', () => {
    const entries = project.entries()
    expect(entries.filter((path) => path.includes('.env'))).toEqual(['app/.env.example'])
    expect(entries).toEqual(
      expect.arrayContaining([
        'app/Procfile',
        'bin/release',
        'bin/web',
        'bin/worker',
        'LICENSES/node-LICENSE',
        'LICENSES/board-LICENSE',
      ]),
    )
    expect(project.components().find((c) => c.name === 'node')).toMatchObject({
      license: 'MIT',
      purl: expect.stringMatching(/^pkg:npm\/node-linux-/),
    })
  })

  it('consists of the processes that run all the time', async () => {
    expect(await procfile.processes?.(project.dir)).toEqual([
      { name: 'web', bin: 'web' },
      { name: 'worker', bin: 'worker' },
    ])
  })

  it('is built again without a network', () => {
    expect(project.buildOffline('--locked')).toContain('built board 1.0.0')
  })
})

describe('other kinds of apps with a Procfile', () => {
  it('are files when they are nothing else, in the tree itself', async () => {
    const project = place()
    project.write({ Procfile: 'hello: ./say "$0" && echo "$PWD"\n', say: '#!/bin/sh\necho "from $PORT"\n' })
    execFileSync('chmod', ['755', join(project.dir, 'say')])
    project.configure({ recipe: 'procfile' })
    await project.build()
    const tree = project.unpack()
    expect(run(tree, ['bin/hello'])).toBe(`from \n${tree}\n`)
    project.dispose()
  })

  it('with bad lines are refused before anything is written', async () => {
    const project = place()
    project.write({ Procfile: 'web: x\nnode server.js\n' })
    project.configure({ recipe: 'procfile' })
    const { stderr } = await project.build('', 3)
    expect(stderr).toContain('Procfile:2: "node server.js" has no name: write "web: node server.js"')
    expect(existsSync(join(project.dir, 'dist'))).toBe(false)
    project.dispose()
  })
})

describe('a Procfile', () => {
  it('is read as others read it', () => {
    expect(parseProcfile('\uFEFFweb: a: b  \r\n\n  # comment\nworker_2-x :c # d\nurgent:\tx\n')).toEqual([
      { name: 'web', command: 'a: b' },
      { name: 'worker_2-x', command: 'c # d' },
      { name: 'urgent', command: 'x' },
    ])
  })

  it.each([
    ['a b: c', 'Procfile:2: "a b" is no name of a process'],
    ['-x: c', 'Procfile:2: "-x" is no name of a process'],
    [': c', 'Procfile:2: "" is no name of a process'],
    ['x:', 'Procfile:2: "x" has no command'],
    ['x: \t', 'Procfile:2: "x" has no command'],
    ['command', 'Procfile:2: "command" has no name'],
    ['web: again', 'Procfile:2: "web" stands in line 1 already'],
  ])('with %j is refused', (line, said) => {
    expect(() => parseProcfile(`web: one\n${line}\n`)).toThrow(
      expect.objectContaining({ details: [expect.stringContaining(said)] }),
    )
  })

  it('without a process is refused', () => {
    expect(() => parseProcfile('# nothing\n\n')).toThrow('the Procfile names no process')
  })
})

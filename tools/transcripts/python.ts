/** A Python app with Flask, ship installed for all projects. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endApp, firstRelease, initialised, release, restartScript, rolledBack, type Story } from './story.ts'

const APP = (port: number, status: number): string => `from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello from the blog\\n", ${status}


if __name__ == "__main__":
    app.run(port=${port})
`

export const pythonStory: Story = {
  title: 'A Python app, the first quarter of an hour',
  folder: 'blog',
  port: 8000,
  async tell(scene) {
    const { port, install } = scene
    const ship = 'ship'
    scene.say(
      'An app with Flask, whose packages are locked by their digests, as `pip-compile --generate-hashes` writes it:',
    )
    scene.write('app.py', APP(port, 200))
    scene.write('requirements.txt', locked('flask'))
    scene.say('The host has no service manager for it, so a script does what `systemctl restart` does elsewhere.')
    scene.write('restart.sh', restartScript('bin/blog'))
    await scene.run(`npm install --global ${install}`)
    await initialised(scene, ship, { restart: 'sh restart.sh', health: `http://127.0.0.1:${port}/` })
    await scene.run('cat ship.config.ts')
    await firstRelease(scene, ship)
    await scene.run(`curl -s http://127.0.0.1:${port}/`)
    scene.say('A second version goes the same way.')
    scene.write('app.py', APP(port, 200).replace('hello from', 'welcome to'))
    await scene.run(`${ship} build --version 0.2.0`)
    await release(scene, ship)
    scene.say('And one that is broken: every request is answered with 500.')
    scene.write('app.py', APP(port, 500))
    await scene.run(`${ship} build --version 0.2.1`)
    await release(scene, ship, 6)
    await scene.run(`curl -s http://127.0.0.1:${port}/`)
    scene.say('The version before is one command away, too.')
    await rolledBack(scene, ship)
  },
  end: endApp,
}

/** A requirements.txt with the digests of what pip would install here. */
function locked(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'ship-'))
  try {
    execFileSync(
      'python3',
      ['-m', 'pip', 'download', '--only-binary', ':all:', '--retries', '0', '-q', '-d', dir, name],
      { stdio: 'ignore' },
    )
    const lines = readdirSync(dir)
      .toSorted()
      .map((file) => {
        const [project = '', version = ''] = file.split('-')
        const digest = createHash('sha256')
          .update(readFileSync(join(dir, file)))
          .digest('hex')
        return `${project}==${version} \\\n    --hash=sha256:${digest}`
      })
    return `${lines.join('\n')}\n`
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** A Node app with express, ship as a development dependency. */
import { endApp, firstRelease, initialised, release, restartScript, rolledBack, type Story } from './story.ts'

const SERVER = (port: number, status: number): string => `import express from 'express'

const app = express()
app.get('/', (request, response) => response.status(${status}).send('hello from the shop\\n'))
app.listen(${port}, '127.0.0.1')
`

export const nodeStory: Story = {
  title: 'A Node app, the first quarter of an hour',
  folder: 'shop',
  port: 3000,
  async tell(scene) {
    const { port, install } = scene
    const ship = 'npx ship'
    scene.say('An app with express, as it may be on any disk:')
    scene.write('server.js', SERVER(port, 200))
    scene.write(
      'package.json',
      `{
  "name": "shop",
  "version": "1.0.0",
  "private": true,
  "type": "module",
  "scripts": { "start": "node server.js" }
}
`,
    )
    scene.say('The host has no service manager for it, so a script does what `systemctl restart` does elsewhere.')
    scene.write('restart.sh', restartScript('node server.js'))
    await scene.run('npm install express')
    await scene.run(`npm install --save-dev ${install}`)
    await initialised(scene, ship, { restart: 'sh restart.sh', health: `http://127.0.0.1:${port}/` })
    await scene.run('cat ship.config.ts')
    await firstRelease(scene, ship)
    await scene.run(`curl -s http://127.0.0.1:${port}/`)
    scene.say('A second version goes the same way.')
    scene.write('server.js', SERVER(port, 200).replace('hello from', 'welcome to'))
    await scene.run(`${ship} build --bump minor`)
    await release(scene, ship)
    scene.say('And one that is broken: every request is answered with 500.')
    scene.write('server.js', SERVER(port, 500))
    await scene.run(`${ship} build --bump patch`)
    await release(scene, ship, 6)
    await scene.run(`curl -s http://127.0.0.1:${port}/`)
    scene.say('The version before is one command away, too.')
    await rolledBack(scene, ship)
  },
  end: endApp,
}

/** Pages behind nginx, ship installed for all projects. */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstRelease, initialised, release, rolledBack, type Scene, type Story } from './story.ts'

let nginx: ChildProcess | undefined

export const staticStory: Story = {
  title: 'A static site, the first quarter of an hour',
  folder: 'site',
  port: 8080,
  async tell(scene) {
    const { port, install } = scene
    const ship = 'ship'
    serve(scene)
    scene.say('Some pages. The web server of the host serves `current` in the folder that is deployed to.')
    scene.write('index.html', '<!doctype html>\n<title>A site</title>\n<h1>A site</h1>\n')
    scene.write('prices.html', '<!doctype html>\n<title>Prices</title>\n<h1>Prices</h1>\n')
    await scene.run(`npm install --global ${install}`)
    await initialised(scene, ship, { restart: '', health: `http://127.0.0.1:${port}/prices.html` })
    await scene.run('cat ship.config.ts')
    await firstRelease(scene, ship)
    scene.say('A second version goes the same way.')
    scene.write('index.html', '<!doctype html>\n<title>A site</title>\n<h1>A better site</h1>\n')
    await scene.run(`${ship} build --version 0.2.0`)
    await release(scene, ship)
    scene.say('And one that lost a page that must be there.')
    await scene.run('mv prices.html price.html')
    await scene.run(`${ship} build --version 0.2.1`)
    await release(scene, ship, 6)
    await scene.run(`curl -s http://127.0.0.1:${port}/prices.html`)
    scene.say('The version before is one command away, too.')
    await rolledBack(scene, ship)
  },
  end: () => void nginx?.kill('SIGTERM'),
}

function serve({ dir, port, deployTo }: Scene): void {
  const file = join(dir, 'nginx.conf')
  const logs = `error_log ${dir}/nginx.log; pid ${dir}/nginx.pid; daemon off; user root; events {}`
  const server = `server { listen 127.0.0.1:${port}; root ${deployTo}/current; }`
  writeFileSync(file, `${logs} http { access_log off; ${server} }\n`)
  nginx = spawn('nginx', ['-e', join(dir, 'nginx.log'), '-c', file], { stdio: 'ignore' })
}

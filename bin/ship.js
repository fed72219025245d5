#!/usr/bin/env node
// Old syntax on purpose: this file must be read by any Node, so that it can say what is wrong. It knows nothing of ship but where
// the sources (a checkout) or the compiled files (the package) lie.
// oxlint-disable promise/always-return
;(function () {
  var parts = process.versions.node.split('.')
  var major = Number(parts[0])
  var minor = Number(parts[1])
  // As in package.json, "engines": zstd and type stripping are what is needed; 23 and early 24 lack parts of them.
  var good = (major === 22 && minor >= 18) || (major === 24 && minor >= 11) || major > 24
  if (major < 14) return refuse()

  void import('fs').then(function (fs) {
    var root = fs.realpathSync(process.argv[1]).replace(/[\\/][^\\/]+[\\/][^\\/]+$/, '')
    var startedAgain = process.env.SHIP_STARTED_AGAIN
    var checkout = fs.existsSync(root + '/src/main.ts')
    var own = root + '/node_modules/.bin/node'
    delete process.env.SHIP_STARTED_AGAIN
    if (good) start(checkout ? '../src/main.ts' : '../dist/main.js')
    else if (checkout && fs.existsSync(own) && !startedAgain) startAgain(own)
    else refuse()
  })

  // Compiled code is kept, which more than halves the time until ship is there. Without the folder it is merely slower.
  function start(file) {
    void Promise.all([import('module'), import('os'), import('path')]).then(function (node) {
      var env = process.env
      var base =
        env.SHIP_CACHE_DIR || node[2].join(env.XDG_CACHE_HOME || node[2].join(node[1].homedir(), '.cache'), 'ship')
      if (!env.NODE_COMPILE_CACHE) node[0].enableCompileCache(node[2].join(base, 'code'))
      void import(file).then(function (ship) {
        void ship.main()
      })
    })
  }

  // The project's own Node runs ship instead. Signals are passed on; main takes two in a row for one, as npx sends them too.
  function startAgain(node) {
    void import('child_process').then(function (childProcess) {
      var env = Object.assign({}, process.env, { SHIP_STARTED_AGAIN: '1' })
      var child = childProcess.spawn(node, process.argv.slice(1), { stdio: 'inherit', env: env })
      var signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
      signals.forEach(function (name) {
        process.on(name, function () {
          child.kill(name)
        })
      })
      child.on('error', refuse)
      child.on('exit', function (code, signal) {
        signals.forEach(function (name) {
          process.removeAllListeners(name)
        })
        if (signal) process.kill(process.pid, signal)
        else process.exitCode = code
      })
    })
  }

  function refuse() {
    process.stderr.write(
      'error: ship needs Node 22.18 or later of 22, or 24.11 or later; this is ' +
        process.version +
        '\n' +
        '  next:  install Node 24 (https://nodejs.org), or put one of these first on the PATH\n' +
        '         in a checkout of ship: npm ci brings its own Node\n',
    )
    process.exitCode = 1
  }
})()

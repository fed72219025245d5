/*
 * Runs before the tests: is this the right Node, and are the real programs there that tests use? What is missing is installed when that
 * is possible (root, apt-get), and named otherwise. With CI=true a missing part is an error: skipped tests prove nothing.
 * Old syntax on purpose: it must be able to say what is wrong under any Node.
 */
import childProcess from 'node:child_process'
import fs from 'node:fs'

var MIN_NODE = [22, 18]

/* Program -> its Debian packages, and what is skipped without it. */
var PARTS = [
  { program: 'sshd', package: 'openssh-server', skips: 'everything over SSH: transport, hosts, stories' },
  { program: 'ssh-keygen', package: 'openssh-client', skips: 'everything over SSH' },
  { program: 'rsync', package: 'rsync', skips: 'transport rsync, and comparisons with rsync' },
  { program: 'zstd', package: 'zstd', skips: 'bundles judged by zstd' },
  { program: 'unzip', package: 'unzip', skips: 'bundles judged by unzip' },
  { program: 'busybox', package: 'busybox', skips: 'host scripts under busybox' },
  { program: 'mmdebstrap', package: 'mmdebstrap', skips: 'packages installed in a Debian 12' },
  { program: 'dpkg-deb', package: 'dpkg', skips: 'packages judged by dpkg' },
  { program: 'lintian', package: 'lintian', skips: 'packages judged by lintian' },
  { program: 'dpkg-parsechangelog', package: 'dpkg-dev', skips: 'changelogs of packages judged by dpkg' },
  { program: 'xz', package: 'xz-utils', skips: 'packages compressed with xz' },
  { program: 'systemd-analyze', package: 'systemd', skips: 'units judged by systemd' },
  { program: 'shellcheck', package: 'shellcheck', skips: 'maintainer scripts judged by shellcheck' },
  { program: 'mkfs.ext4', package: 'e2fsprogs', skips: 'power cuts, and disks that refuse' },
  { program: 'strace', package: 'strace', skips: 'that no shell is started for a name' },
  { program: 'mkfs.xfs', package: 'xfsprogs', skips: 'power cuts on xfs' },
  { program: 'curl', package: 'curl', skips: 'health checks of hosts that forbid forwarding' },
  { program: 'openssl', package: 'openssl', skips: 'health checks that verify TLS' },
  { program: 'nginx', package: 'nginx', skips: 'drains of nginx, and releases behind it under load' },
  { program: 'haproxy', package: 'haproxy', skips: 'drains of HAProxy, and releases behind it under load' },
  { program: 'gcc', package: 'gcc libc6-dev', skips: 'libraries and search paths of compiled programs' },
  { program: 'readelf', package: 'binutils', skips: 'libraries and search paths of compiled programs' },
  {
    program: 's390x-linux-gnu-ld',
    package: 'binutils-s390x-linux-gnu',
    skips: 'programs with their bytes the other way round',
  },
  { program: 'zsh', package: 'zsh', skips: 'completion in zsh, and hosts whose login shell it is' },
  { program: 'fish', package: 'fish', skips: 'completion in fish, and hosts whose login shell it is' },
  { program: 'tcsh', package: 'tcsh', skips: 'hosts whose login shell is tcsh' },
  { program: 'ksh', package: 'ksh', skips: 'command lines for the login shell ksh' },
  { program: 'mksh', package: 'mksh', skips: 'command lines for the login shell mksh' },
  { program: 'dropbear', package: 'dropbear-bin', skips: 'hosts with dropbear as their SSH server' },
  { program: 'faketime', package: 'faketime', skips: 'hosts whose clock is years off' },
  { program: 'mandoc', package: 'mandoc', skips: 'the man page judged by mandoc' },
  { program: 'make', package: 'make', skips: 'components compiled from source' },
  { program: 'go', package: 'golang-go', skips: 'programs of Go modules' },
  { program: 'patchelf', package: 'patchelf', skips: 'search paths that patchelf wrote' },
]

checkNode()
checkPrograms()

function checkNode() {
  var have = process.versions.node.split('.').map(Number)
  if (have[0] > MIN_NODE[0] || (have[0] === MIN_NODE[0] && have[1] >= MIN_NODE[1])) return
  fail([
    'error: the tests need Node ' + MIN_NODE.join('.') + ' or newer, and this is ' + process.versions.node,
    '  next:  npm ci   brings Node 24 into node_modules/.bin, which npm scripts then use',
    '         or install Node 24 and run the command again',
  ])
}

function checkPrograms() {
  var missing = PARTS.filter(isMissing)
  if (missing.length > 0 && canInstall()) {
    install(missing)
    missing = missing.filter(isMissing)
  }
  if (missing.length === 0) return
  var names = missing.map(function (part) {
    return part.package
  })
  var lines = missing.map(function (part) {
    return '  "' + part.program + '" is missing, skipped: ' + part.skips
  })
  var next = '  next:  apt-get install ' + names.join(' ')
  if (process.env.CI === 'true') fail(['error: CI must skip nothing'].concat(lines, next))
  console.error(['warning: some tests will be skipped'].concat(lines, next).join('\n'))
}

function isMissing(part) {
  var folders = (process.env.PATH || '').split(':').concat('/usr/sbin', '/usr/local/sbin', '/sbin')
  return !folders.some(function (folder) {
    return folder !== '' && fs.existsSync(folder + '/' + part.program)
  })
}

function canInstall() {
  return (
    process.getuid !== undefined &&
    process.getuid() === 0 &&
    !isMissing({ program: 'apt-get' }) &&
    process.env.SHIP_PREFLIGHT !== 'look'
  )
}

/* Best effort: what is still missing afterwards is reported. */
function install(parts) {
  var names = parts.flatMap(function (part) {
    return part.package.split(' ')
  })
  console.error('installing for the tests: ' + names.join(' '))
  var options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    // In run level 1 no service of a package is started.
    env: Object.assign({}, process.env, { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }),
  }
  var args = ['install', '-y', '-q', '--no-install-recommends'].concat(names)
  if (childProcess.spawnSync('apt-get', args, options).status === 0) return
  childProcess.spawnSync('apt-get', ['update', '-q'], options)
  childProcess.spawnSync('apt-get', args, options)
}

function fail(lines) {
  console.error(lines.join('\n'))
  process.exit(1)
}

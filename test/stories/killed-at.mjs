/* Loaded into ship by tests: ends the process by SIGKILL the moment it tells the event that KILL_AT names ("step.started switch"). */
const [event, step] = (process.env.KILL_AT ?? '').split(' ')
const wanted = `"event":"${event}","step":"${step}"`
const write = process.stdout.write.bind(process.stdout)
process.stdout.write = (chunk, ...rest) => {
  const result = write(chunk, ...rest)
  if (String(chunk).includes(wanted)) process.kill(process.pid, 'SIGKILL')
  return result
}

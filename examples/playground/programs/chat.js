// A chat: a line goes to everyone, silence ends
const IDLE = 600;
const room = new Map();

function join(name) {
  const receive = (line) => console.log(`  to ${name}: ${line}`);
  room.set(name, { receive, timer: setTimeout(leave, IDLE, name) });
  say('room', `${name} has joined`);
}

function leave(name) {
  clearTimeout(room.get(name).timer);
  room.delete(name);
  console.log(`${name} was silent for too long`);
  say('room', `${name} has left`);
}

function say(name, text) {
  room.get(name)?.timer.refresh();
  for (const [other, { receive }] of room) if (other !== name) receive(`${name}: ${text}`);
}

join('Ana');
join('Ben');
setTimeout(say, 300, 'Ana', 'hello');
setTimeout(say, 500, 'Ana', 'is anyone there?');

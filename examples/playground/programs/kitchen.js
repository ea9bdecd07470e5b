// A kitchen: a manager who never waits for one cook
const { EventEmitter, once } = require('node:events');

const TIME_LIMIT = 500;

// A cook makes each dish in its time, except for one at which it fails.
class Cook extends EventEmitter {
  constructor(name, ms, failsAt) {
    super();
    Object.assign(this, { name, ms, failsAt });
  }

  order(text) {
    console.log(`order:   ${this.name}, ${text}`);
    const [verb, dish] = text.split(' ');
    if (verb === 'make' && dish !== this.failsAt) setTimeout(() => this.emit('dish', dish), this.ms);
  }
}

async function manager() {
  const ana = new Cook('Ana', 100);
  const ben = new Cook('Ben', 150, 'coffee');
  ana.order('make soup');
  ben.order('prepare steak');
  console.log('manager: both are working, waits for either');
  const [soup] = await once(ana, 'dish');
  console.log(`poll:    Ana has made the ${soup}`);
  await serve(ben, 'steak');

  const [, coffee] = await Promise.all([serve(ana, 'cake'), serve(ben, 'coffee')]);
  if (!coffee) await serve(ana, 'coffee');
  console.log('manager: everything is served');
}

async function serve(cook, dish) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), TIME_LIMIT);
  const made = once(cook, 'dish', { signal: limit.signal });
  cook.order(`make ${dish}`);
  try {
    await made;
    console.log(`poll:    ${cook.name} has made the ${dish}`);
    return true;
  } catch {
    console.log(`timers:  no ${dish} after ${TIME_LIMIT} ms, ${cook.name} has failed`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

manager();

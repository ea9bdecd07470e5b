// Listeners, `once`, errors, and an async iterator over events.
'use strict';
const EventEmitter = require('events');
const { once, on } = EventEmitter;

class Meter extends EventEmitter {
  #total = 0;
  add(amount) {
    if (amount < 0) {
      this.emit('error', new RangeError(`negative amount: ${amount}`));
      return this;
    }
    this.#total += amount;
    this.emit('change', amount, this.#total);
    return this;
  }
}

const meter = new Meter();
meter.on('newListener', (name) => console.log('new listener of', name));
meter.on('change', function (amount, total) { console.log('change', amount, total, this === meter); });
meter.prependListener('change', () => console.log('before the others'));
meter.once('change', () => console.log('only once'));
meter.add(2).add(3);
console.log(meter.listenerCount('change'), meter.eventNames());
try {
  meter.add(-1);
} catch (error) {
  console.log(error.name, error.message);
}
meter.on('error', (error) => console.log('handled:', error.message));
meter.add(-2);

async function main() {
  setImmediate(() => meter.add(10));
  const [amount, total] = await once(meter, 'change');
  console.log('awaited', amount, total);
  const controller = new AbortController();
  setTimeout(() => {
    meter.add(1).add(2).add(3);
    setImmediate(() => controller.abort());
  }, 5);
  try {
    for await (const [step] of on(meter, 'change', { signal: controller.signal })) console.log('step', step);
  } catch (error) {
    console.log(error.name, error.code);
  }
  meter.removeAllListeners();
  console.log(meter.eventNames(), meter.emit('change'));
}
main();

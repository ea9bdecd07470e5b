// Cleaning up: what `close` does, and when
const { EventEmitter } = require('node:events');

// A resource that reports its end in a later phase, as a socket does.
class Resource extends EventEmitter {
  constructor(name) {
    super();
    this.name = name;
  }

  destroy() {
    setImmediate(() => this.emit('close'));
  }
}

for (const resource of [new Resource('first'), new Resource('second')]) {
  resource.on('close', () => {
    console.log(`close: the ${resource.name} resource`);
    process.nextTick(() => console.log(`tick: after the ${resource.name} resource's callback`));
  });
  resource.destroy();
}
Promise.resolve().then(() => console.log('microtask: after the running callback'));
console.log('both are destroyed');

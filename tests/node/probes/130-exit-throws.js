// An exit listener that throws: reported, and the other exit listeners do not run.
process.on('uncaughtException', (e) => console.log('uncaught', e));
process.on('exit', () => { console.log('exit 1'); queueMicrotask(() => console.log('micro')); throw 'x'; });
process.on('exit', () => console.log('exit 2'));

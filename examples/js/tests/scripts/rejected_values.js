// What `uncaughtException` receives for rejections whose reasons are not errors.
'use strict';

process.on('uncaughtException', (error, origin) => {
  console.log(origin, Object.keys(error), error.name, error.code);
  console.log(error.message.split(' reason ')[1], error.stack.split('\n')[0] === `${error.name}: ${error.message}`);
});

class Reason {}
const reasons = [{ code: 7 }, 'text', undefined, null, 5, [1], Symbol('s'), new Reason(), () => 1, Object.create(null)];
for (const reason of reasons) Promise.reject(reason);

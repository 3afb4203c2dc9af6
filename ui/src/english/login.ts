/** The page to sign in. */

export const windowTitle = 'Sign in · Promontory';
export const signIn = 'Sign in';
export const signInFailed = (error: string): string => `The sign-in did not work: ${error}`;
export const signInWith = (name: string): string => `Sign in with ${name}`;
export const lookingIsAllowed = 'Looking is allowed without signing in';
export const machineIsTrusted = 'This server asks nobody on this machine who they are';
export const goOn = 'go on';

/** What style elements of this page carry, so that the page's policy lets them be. Empty where there is none, as in development. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

<?php
// The end of a log-in on auth.wikimedia.org: gives this wiki the same session, and goes on to the page.
$options = [ 'path' => '/', 'secure' => true, 'httponly' => true ];
setcookie( 'enwiki_session', $_GET['id'], $options );
setcookie( 'enwikiUserID', $_GET['user'], $options );
setcookie( 'enwikiUserName', $_GET['name'], $options );
setcookie( 'centralauth_User', $_GET['name'], $options + [ 'domain' => '.wikipedia.org' ] );
setcookie( 'centralauth_Token', md5( $_GET['name'] ), $options + [ 'domain' => '.wikipedia.org' ] );
header( 'Location: https://' . $_SERVER['HTTP_HOST'] . ( str_starts_with( $_GET['to'], '/' ) ? $_GET['to'] : '/wiki/Main_Page' ), true, 302 );
